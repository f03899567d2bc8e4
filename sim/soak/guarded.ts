import type { AdvertisingBearer, Clock, ModemPort, Serial } from "../../hal/hal.js";

/** Runs a callback of a device; what it throws is the device's own end and must not reach the world that called it. */
export type Guard = <Arguments extends unknown[]>(
  callback: (...values: Arguments) => void,
) => (...values: Arguments) => void;

export function guardedClock(clock: Clock, guard: Guard): Clock {
  return { now: () => clock.now(), at: (time, callback) => clock.at(time, guard(callback)) };
}

export function guardedBearer(bearer: AdvertisingBearer, guard: Guard): AdvertisingBearer {
  return {
    send: (data, count, interval) => bearer.send(data, count, interval),
    get onReceive() {
      return bearer.onReceive;
    },
    set onReceive(callback) {
      bearer.onReceive = callback && guard(callback);
    },
    get free() {
      return bearer.free;
    },
  };
}

export function guardedPort(port: ModemPort, guard: Guard): ModemPort {
  return { ...port, serial: guardedSerial(port.serial, guard) };
}

function guardedSerial(serial: Serial, guard: Guard): Serial {
  return {
    read: (length) => serial.read(length),
    write: (data) => serial.write(data),
    get writable() {
      return serial.writable;
    },
    get onReadable() {
      return serial.onReadable;
    },
    set onReadable(callback) {
      serial.onReadable = callback && guard(callback);
    },
    get onWritable() {
      return serial.onWritable;
    },
    set onWritable(callback) {
      serial.onWritable = callback && guard(callback);
    },
    setBaud: (baud) => serial.setBaud(baud),
    get overruns() {
      return serial.overruns;
    },
    close: () => serial.close(),
  };
}
