import { RelayRole } from "../../firmware/roles/relay.js";
import { startDevice } from "../shared/device.js";

export function start(): void {
  startDevice({
    kind: "relay",
    listen: true,
    run: ({ hal, identity }) => new RelayRole(hal, identity).start(),
  });
}
