/** Loaded before a command: its time goes SPEED times as fast, as that of the boards which it talks to. */

const speed = Number(process.env.SPEED);
const now = performance.now.bind(performance);
performance.now = () => speed * now();
const { setTimeout } = globalThis;
globalThis.setTimeout = Object.assign(
  (callback, delay = 0, ...rest) => setTimeout(callback, delay / speed, ...rest),
  setTimeout,
);
