/** The queue: first come, first served. All that is said of a line is common; this joins by itself. */

import { Kind } from "./kind.js";

export class Queue extends Kind {
  static NAME = "Queue";
  static JOINS_ITSELF = true;
}
