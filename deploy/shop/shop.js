/** Counts the checkout window down. The server said how much was left, so the device's clock does not matter. */

const part = document.getElementById("time-left");
if (part !== null) {
  const endsAt = performance.now() + Number(part.dataset.leftMs);
  const show = () => {
    const seconds = Math.max(0, Math.ceil((endsAt - performance.now()) / 1000));
    part.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  };
  show();
  setInterval(show, 1000);
}
