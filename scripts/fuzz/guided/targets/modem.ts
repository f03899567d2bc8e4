import { Counters } from "../../../../firmware/bytes/counters.js";
import { encodeUtf8 } from "../../../../firmware/bytes/utf8.js";
import { AtChannel } from "../../../../firmware/modem/at/channel.js";
import { SaraR4 } from "../../../../firmware/modem/sara-r4.js";
import { Pieces, pieces } from "../pieces.js";
import { type GuidedTarget, must } from "../target.js";

const text = (line: string): Uint8Array => encodeUtf8(line);

const targets: readonly GuidedTarget[] = [
  {
    name: "at-channel",
    holds: "whatever the modem's UART says, each command ends once and the next one gets its turn",
    longest: 400,
    seeds: [
      pieces(
        text('AT+USORF=0,8\r\r\n+USORF: 0,"10.0.0.1",5683,3,"a"b"\r\n\r\nOK\r\n'),
        text("\r\n+UUSORF: 0,5\r\n"),
      ),
      pieces(
        text("\r\n+CME ERROR: SIM failure\r\n"),
        text("\0\0\r\nERROR\r\n"),
        text("@"),
        text("\r\nOK\r\n"),
      ),
    ],
    run(input) {
      let [begun, done] = [0, 0];
      const channel = new AtChannel({
        write: () => {},
        onUrc: (line) => void line.length,
        onEcho: () => {},
        counters: new Counters(),
      });
      const commands = [
        { prefix: "+USORF:", binaryField: 3 },
        { prefix: "+USOST:", data: text("payload") },
        { prefix: "" },
        {},
      ];
      let now = 0;
      const issue = (): void => {
        channel.execute(
          {
            write: (writer) => void writer.text("+X"),
            limit: 5000,
            ...commands[begun++ % commands.length],
            onLine: (line) => line.length > 0,
            done: () => {
              done++;
            },
          },
          now,
        );
      };
      issue();
      const steps = new Pieces(input);
      while (steps.more) {
        channel.receive(steps.bytes(steps.u8()), now);
        now += 100;
        channel.tick(now);
        must(done <= begun, `${done} ends of ${begun} commands`);
        if (done === begun) issue();
      }
      for (let i = 0; i < 50 && done < begun; i++) {
        now += 6000;
        channel.tick(now);
      }
      must(done === begun, `${begun - done} commands never end`);
      return steps.taken;
    },
  },
  {
    name: "sara-r4",
    holds: "whatever the modem's UART says, the driver neither falls over nor stops wanting to go on",
    longest: 500,
    seeds: [
      pieces(text("\r\nOK\r\n"), text("\r\nOK\r\n"), text("\r\n+CPIN: READY\r\n\r\nOK\r\n")),
      pieces(
        text('\r\n+CEREG: 5,"0001","00000001",7\r\n'),
        text("\r\n+UUSORF: 0,20\r\n"),
        text("\r\n+USOCR: 0\r\n\r\nOK\r\n"),
      ),
    ],
    run(input) {
      const driver = new SaraR4({
        config: { apn: "iot.example", server: { host: "10.0.0.1", port: 5683 } },
        write: () => {},
        onDatagram: (bytes) => must(bytes.length <= 1024, `a datagram of ${bytes.length} bytes`),
      });
      let now = 0;
      driver.start(now);
      const steps = new Pieces(input);
      while (steps.more) {
        driver.receive(steps.bytes(steps.u8()), now);
        now += 500;
        driver.tick(now);
        if (driver.canSend) driver.send(text("datagram"), now);
      }
      for (let i = 0; i < 20; i++) {
        now = Math.max(now, Math.min(driver.deadline, now + 600_000));
        driver.tick(now);
      }
      must(driver.deadline < Number.POSITIVE_INFINITY, "it waits for nothing");
      return steps.taken;
    },
  },
];

export default targets;
