/** What is on the other side of the radio: where the modem's datagrams go to and come from. */
export interface ModemNetwork {
  /** A socket has come to be. `localPort` when +USOLI asked for one. Called again when the port changes. */
  open(socket: number, localPort?: number): void;
  /** The bytes are only valid during the call. */
  send(socket: number, address: string, port: number, datagram: Uint8Array): void;
  close(socket: number): void;
  /** An IPv4 address for a name, `undefined` when there is none. */
  resolve(name: string, done: (address: string | undefined) => void): void;
  /** Set by the modem. The network calls it from outside of the modem's calls, at the time of arrival. */
  onDatagram: ((socket: number, address: string, port: number, datagram: Uint8Array) => void) | undefined;
}

/** Whether the text is an IPv4 address in dotted decimals. */
export function isIpv4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255);
}
