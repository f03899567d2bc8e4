/**
 * A process with one of several sockets on the server's UDP port: it takes, limits and sends datagrams, so that a flood
 * of them costs others than the one that decides. It knows nothing of CoAP, and has no keys.
 */

import { StartupError } from "./errors.js";
import { FrameWriter, type FromWorker, readFrame, type ToWorker } from "./frames.js";
import { Metrics } from "./metrics.js";
import { type Address, UdpDriver } from "./udp.js";

export interface WorkerOptions extends Address {
  readonly sourceLimit: number;
}

/** Frames that the server has not taken yet; what comes beyond is dropped, as the system does it where nobody reads. */
const FRAMES_UNDER_WAY = 32;
const TELL_DROPS_MS = 1000;

async function run({ host, port, sourceLimit }: WorkerOptions): Promise<void> {
  const tell = (message: FromWorker, done?: () => void) =>
    process.send?.(message, undefined, undefined, () => done?.());
  const metrics = new Metrics();
  const frame = new FrameWriter();
  let underWay = 0;
  let driver: UdpDriver;
  try {
    driver = await UdpDriver.open({ host, port }, metrics, sourceLimit, true);
  } catch (error) {
    if (!(error instanceof StartupError)) throw error;
    tell({ failure: error.message }, () => process.disconnect());
    return;
  }
  const told = new Map<string, number>();
  const tellDrops = () => {
    const drops: [string, number][] = [];
    for (const [, reason, count] of metrics.drops()) {
      const more = count - (told.get(reason) ?? 0);
      if (more > 0) drops.push([reason, more]);
      told.set(reason, count);
    }
    if (drops.length > 0) tell({ drops });
  };
  const timer = setInterval(tellDrops, TELL_DROPS_MS);
  const stop = async () => {
    await driver.close();
    clearInterval(timer);
    if (!process.connected) return;
    tellDrops();
    process.disconnect();
  };
  process.on("message", (message: ToWorker) => {
    if (message === "stop") stop();
    else readFrame(message, (datagram, destination) => driver.send(datagram, destination));
  });
  process.on("disconnect", stop);
  // A terminal signals all of its processes: it is for the server to end us, when all is answered.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => {});
  driver.start({
    deadline: Number.POSITIVE_INFINITY,
    onWake() {},
    handle(datagram, source) {
      if (underWay < FRAMES_UNDER_WAY) frame.add(datagram, source);
      else metrics.drop("udp", "overload");
    },
    tick() {
      if (frame.isEmpty) return;
      underWay++;
      tell(frame.take(), () => underWay--);
    },
  });
  tell({ port: driver.address.port });
}

if (process.send !== undefined && process.argv[2] !== undefined) {
  await run(JSON.parse(process.argv[2]) as WorkerOptions);
}
