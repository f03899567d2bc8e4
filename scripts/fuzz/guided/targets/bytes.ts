import { decodeCbor, encodeCbor } from "../../../../firmware/bytes/cbor.js";
import { equal } from "../../../../firmware/bytes/compare.js";
import { hex } from "../../../../firmware/bytes/hex.js";
import { Refusal } from "../../../../firmware/bytes/refusal.js";
import { decodeUtf8, encodeUtf8 } from "../../../../firmware/bytes/utf8.js";
import { type GuidedTarget, must } from "../target.js";

const targets: readonly GuidedTarget[] = [
  {
    name: "cbor",
    holds: "any bytes are a value or a refusal; a value is encoded in one way, and that is read back",
    longest: 256,
    seeds: [hex("a201190866021911d4"), hex("83f4f6fb3ff8000000000000"), hex("a1616182010243ffffff")],
    run(input) {
      const value = decodeCbor(input);
      if (value instanceof Refusal) return 1;
      const encoded = encodeCbor(value);
      const again = decodeCbor(encoded);
      must(!(again instanceof Refusal), "what was encoded is refused");
      must(equal(encodeCbor(again), encoded), "two encodings of one value");
      return 1;
    },
  },
  {
    name: "utf8",
    holds: "any bytes are a text or a refusal; a text has the bytes it came from",
    longest: 64,
    seeds: [encodeUtf8("Łódź 24 °C 𝔘")],
    run(input) {
      const text = decodeUtf8(input);
      if (text instanceof Refusal) return 1;
      must(equal(encodeUtf8(text), input), "another text");
      return 1;
    },
  },
];

export default targets;
