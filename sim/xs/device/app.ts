/** What runs in each XS machine: the firmware's own roles, one for each device, over a HAL that the simulator answers. */

import type { CborMap } from "../../../firmware/bytes/cbor.js";
import { Refusal } from "../../../firmware/bytes/refusal.js";
import { GatewayRole } from "../../../firmware/roles/gateway.js";
import { type Identity, loadIdentity } from "../../../firmware/roles/identity.js";
import { NodeRole } from "../../../firmware/roles/node.js";
import { RelayRole } from "../../../firmware/roles/relay.js";
import { Sht3x } from "../../../firmware/sensor/sht3x.js";
import { type DeviceCalls, decodeCall, encodeCall } from "../calls.js";
import { type Call, callFor, i2c, modemPort, type RemoteHal, type RemoteSerial, remoteHal } from "./hal.js";

interface Running {
  readonly hal: RemoteHal;
  readonly role: NodeRole | RelayRole | GatewayRole;
  readonly serial?: RemoteSerial;
}

function storedIdentity(hal: RemoteHal): Identity {
  const identity = loadIdentity(hal.storage);
  if (identity instanceof Refusal)
    throw new Error(`no identity: ${identity.reason} ${identity.detail ?? ""}`);
  return identity;
}

function run(kind: string, hal: RemoteHal, call: Call, gateway: CborMap): Running {
  const identity = storedIdentity(hal);
  if (kind === "relay") return { hal, role: new RelayRole(hal, identity) };
  if (kind === "node") {
    const sensor = new Sht3x({ sensor: { io: i2c(call) } });
    return { hal, role: new NodeRole({ ...hal, sensor }, identity) };
  }
  const port = modemPort(call);
  const healthInterval = gateway.get("healthInterval") as number;
  const role = new GatewayRole({ ...hal, modem: port, queueStore: hal.storage }, identity, {
    modem: {
      apn: gateway.get("apn") as string,
      server: { host: gateway.get("host") as string, port: gateway.get("port") as number },
    },
    ...(healthInterval > 0 && { healthInterval }),
  });
  return { hal, role, serial: port.serial };
}

function callsOf({ hal, role, serial }: Running): Omit<DeviceCalls, "create" | "forget"> {
  return {
    start: () => role.start(),
    stop: () => role.stop(),
    frame: (data, address, rssi) => hal.bearer.onReceive?.(data, address, rssi),
    alarm: () => hal.clock.run(),
    readable: (bytes) => serial?.onReadable?.(bytes),
    writable: (bytes) => serial?.onWritable?.(bytes),
    modemState: () => (role instanceof GatewayRole ? role.modem.state : ""),
  };
}

type AnyCall = (...values: unknown[]) => string | undefined;

/** @returns what is called with `[device, now, name, …values]`, and answers with `[when to call "alarm", result]` */
export function makeHandler(): (command: ArrayBuffer) => ArrayBuffer {
  const devices = new Map<number, Running>();
  return (command) => {
    const [number, now, name, ...values] = decodeCall(new Uint8Array(command)) as [number, number, string];
    if (name === "create") {
      const [kind, chipId, gateway] = values as unknown as Parameters<DeviceCalls["create"]>;
      const call = callFor(number);
      const hal = remoteHal(call, chipId);
      hal.clock.time = now;
      devices.set(number, run(kind, hal, call, gateway));
    }
    if (name === "forget") devices.delete(number);
    const running = devices.get(number);
    if (running === undefined) return answer(Number.POSITIVE_INFINITY, undefined);
    const { clock } = running.hal;
    clock.time = now;
    const called = callsOf(running)[name as keyof ReturnType<typeof callsOf>] as AnyCall | undefined;
    const result = called?.(...values);
    return answer(clock.deadline, result);
  };
}

function answer(deadline: number, result: string | undefined): ArrayBuffer {
  return encodeCall([deadline === Number.POSITIVE_INFINITY ? undefined : deadline, result]).slice()
    .buffer as ArrayBuffer;
}
