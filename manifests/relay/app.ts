import { Commissioning } from "../../firmware/roles/commissioning.js";
import { RelayRole } from "../../firmware/roles/relay.js";
import { startDevice } from "../shared/device.js";

export function start(): void {
  startDevice({
    kind: "relay",
    listen: true,
    commission: (options) => new Commissioning(options),
    makeRole: ({ hal, identity }) => new RelayRole(hal, identity),
  });
}
