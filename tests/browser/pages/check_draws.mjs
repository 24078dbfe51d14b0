/** The page's own check for `test_draws.py`: one proof a line in the file; answers a line each. */

import { readFileSync } from "node:fs";

import { checking } from "../../../gateway/pages/draw_check.js";

function answerOf(text) {
  const check = checking(text);
  let step = check.next();
  while (!step.done) step = check.next();
  return step.value;
}

for (const line of readFileSync(process.argv[2], "utf8").trim().split("\n")) {
  const { verdict, findings, unproven } = answerOf(line);
  console.log(findings.map((finding) => finding.field).join(" ") || unproven || verdict);
}
