/** What the page knows of beacons, for `test_draws.py`: its chains, and where it hashes the messages of the file to. */

import { readFileSync } from "node:fs";

import { CHAINS } from "../../../gateway/pages/beacons.js";
import { hashToG1 } from "../../../gateway/pages/bls.js";
import { fromHex } from "../../../gateway/pages/hexadecimal.js";

const { messages, tag } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const points = messages.map((message) => hashToG1(fromHex(message), tag).map(String));
console.log(JSON.stringify({ chains: CHAINS, points }));
