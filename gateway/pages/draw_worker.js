/** Checks one proof beside the page: takes its text, says `{done, total}` meanwhile and `{answer}` at the end. */

import { checking } from "./draw_check.js";

self.onmessage = ({ data }) => {
  const check = checking(data);
  let step = check.next();
  for (; !step.done; step = check.next()) self.postMessage(step.value);
  self.postMessage({ answer: step.value });
};
