import config from "mc/config";
import { Commissioning } from "../../firmware/roles/commissioning.js";
import { NodeRole } from "../../firmware/roles/node.js";
import { Sht3x } from "../../firmware/sensor/sht3x.js";
import type { I2C, SteppedHumidityTemperatureSensor } from "../../hal/hal.js";
import { wiring } from "../../hal/nrf52/config.js";
import { BoardI2C } from "../../hal/nrf52/i2c.js";
import { moddableSensor } from "../../hal/nrf52/sensor.js";
import { startDevice } from "../shared/device.js";

/** `config.sensor` in the manifest: sht3x, shtc3 or si7021. */
function sensor(): SteppedHumidityTemperatureSensor {
  const pins = wiring().i2c;
  const io = class extends BoardI2C implements I2C {
    constructor(options: { readonly address: number; readonly hz: number }) {
      super({ ...pins, ...options });
    }
  };
  return moddableSensor(config.sensor, pins) ?? new Sht3x({ sensor: { io } });
}

export function start(): void {
  startDevice({
    kind: "node",
    listen: false,
    commission: (options) => new Commissioning(options),
    makeRole: ({ hal, identity, terminal }) =>
      new NodeRole({ ...hal, sensor: sensor() }, identity, {
        // For batteries; a node with mains power can be reached at any time.
        listens: config.listen === "answers" || config.listen === "friend" ? config.listen : "always",
        onMeasured: ({ temperature, humidity }) => terminal.log(`measured ${temperature} ${humidity}`),
      }),
  });
}
