/**
 * What the page (or any other) calls to check a draw: `verify(text)` runs in a worker, so the page stays alive; a draw
 * of a million takes some seconds. Hands over to `draw_check.js`, which decides.
 */

/**
 * @param {string} text the proof document, as it was served
 * @param {{onProgress?: (done: number, total: number) => void, signal?: AbortSignal}} [options]
 * @returns {Promise<import("./draw_check.js").Answer>} rejects when the worker can not run or the signal aborts
 */
export function verify(text, { onProgress = () => {}, signal } = {}) {
  const worker = new Worker(new URL("./draw_worker.js", import.meta.url), { type: "module" });
  const answer = new Promise((resolve, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
    if (signal?.aborted) reject(signal.reason);
    worker.onerror = (event) => reject(new Error(event.message || "the check could not be run"));
    worker.onmessage = ({ data }) => {
      if ("answer" in data) resolve(data.answer);
      else onProgress(data.done, data.total);
    };
    worker.postMessage(text);
  });
  return answer.finally(() => worker.terminate());
}
