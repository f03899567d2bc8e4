import { AtArgumentError, checkString } from "./at/writer.js";

/** Radio access technologies by the names that `signal` and the configuration use. */
export type Rat = "lte-m" | "nb-iot" | "gprs";

/** Milliseconds, from u-blox's manuals and from what drivers in the field use. */
export interface Timing {
  /** PWR_ON low to switch on or to wake from PSM (0.15–3.2 s). */
  powerOnPulse: number;
  /** PWR_ON low to switch off (at least 1.5 s). */
  powerOffPulse: number;
  /** V_INT goes high this long after PWR_ON at the latest. */
  vIntRise: number;
  /** V_INT goes low this long after +CPWROFF at the latest. */
  vIntFall: number;
  /** RESET_N low (at least 10 s; an R4 is off afterwards). */
  resetPulse: number;
  /** From power on or reboot until AT must answer: 6 s by the manual, more after a firmware update. */
  boot: number;
  /** Not switched off earlier than this after it was switched on. */
  minimumAwake: number;
  /** One `AT` while nobody knows whether the modem listens. */
  probe: number;
  /** How long a SIM may say failure or busy before the modem is rebooted. */
  simPatience: number;
  /** Without registration for so long: the radio is switched off and on; doubled each time up to {@link radioLimit}. */
  radioPatience: number;
  radioLimit: number;
  /** Denied is believed after this. */
  deniedPatience: number;
  /** Between two looks at registration while it is waited for. */
  registrationPoll: number;
  /** Registered without packet service for so long: +CGATT=1. */
  attachPatience: number;
  /** A datagram that waits for a modem that is waking up is given back after this. */
  wakePatience: number;
  /** After a datagram was sent: look for an answer whose URC got lost. */
  answerPoll: number;
  /** Between two rungs of recovery, doubled each time up to {@link recoveryLimit}. */
  recoveryPause: number;
  recoveryLimit: number;
  /** Silence on the UART after which UPSV or PSM may have stopped it. */
  uartIdle: number;
}

/** Times of the SARA-R4's system integration manual, ms, and patience of ours. */
export const TIMING: Timing = {
  powerOnPulse: 300,
  powerOffPulse: 2000,
  vIntRise: 2000,
  vIntFall: 35000,
  resetPulse: 10500,
  boot: 20000,
  minimumAwake: 30000,
  probe: 1000,
  simPatience: 60000,
  radioPatience: 180000,
  radioLimit: 1800000,
  deniedPatience: 10000,
  registrationPoll: 10000,
  attachPatience: 30000,
  wakePatience: 60000,
  answerPoll: 5000,
  recoveryPause: 5000,
  recoveryLimit: 600000,
  uartIdle: 5500,
};

/** SIM, network and server of a modem; what is left out stays as the module has it. */
export interface SaraR4Config {
  readonly apn: string;
  /** Where all datagrams go to and answers come from. `host` is an IPv4 address or a name that the modem resolves. */
  readonly server: { readonly host: string; readonly port: number };
  readonly simPin?: string;
  /** +UMNOPROF: 100 is standard Europe, 0 lets the module decide by its firmware's default. */
  readonly operatorProfile?: number;
  /** In the order of preference. Default: as the module has it. */
  readonly rat?: readonly Rat[];
  /** How datagrams cross the UART. Hex (default) stands any noise, binary is half as long. */
  readonly mode?: "hex" | "binary";
  /** Default 115,200; another one is set after each start. */
  readonly baud?: number;
  /** PSM as asked for, in seconds; the network decides (see `granted`). Default: PSM off. */
  readonly powerSaving?: { readonly periodicUpdate: number; readonly activeTime: number };
  /** eDRX cycle in seconds (5.12 · 2ⁿ). Default: eDRX off. */
  readonly edrx?: { readonly rat: "lte-m" | "nb-iot"; readonly cycle: number };
  /** +UPSV=4: the UART sleeps after 6 s. Default: off. */
  readonly uartSleep?: boolean;
  /** Bind the socket to this port (+USOLI). Default: the modem chooses. */
  readonly localPort?: number;
  /** Milliseconds between two checks of registration, signal and a silent restart. Default 60,000. */
  readonly checkInterval?: number;
  /** Whether datagrams are normally answered, so that a long silence shows a dead path. Default true. */
  readonly expectAnswers?: boolean;
  /** RSRP in dBm under which firmware before 05.08 is not asked for a socket (trap 10). Default −115. */
  readonly weakSignal?: number;
  readonly timing?: Partial<Timing>;
}

/** The configuration with its defaults filled in. */
export interface ResolvedConfig {
  readonly apn: string;
  readonly host: string;
  readonly port: number;
  readonly simPin: string | undefined;
  readonly operatorProfile: number | undefined;
  readonly rat: readonly Rat[] | undefined;
  readonly hex: boolean;
  readonly baud: number;
  readonly powerSaving: { readonly periodicUpdate: number; readonly activeTime: number } | undefined;
  readonly edrx: { readonly rat: "lte-m" | "nb-iot"; readonly cycle: number } | undefined;
  readonly uartSleep: boolean;
  readonly localPort: number | undefined;
  readonly checkInterval: number;
  readonly expectAnswers: boolean;
  readonly weakSignal: number;
  readonly timing: Timing;
}

/** The speed of a SARA-R4 after every reset. */
export const DEFAULT_BAUD = 115200;

function checkPort(argument: string, port: number): void {
  if (!Number.isInteger(port) || port < 1 || port > 65535)
    throw new AtArgumentError(argument, `${port} is no port number`);
}

/**
 * Checks everything that will stand in a command, so that nothing can fail later.
 * @throws {AtArgumentError} naming the field
 */
export function resolveConfig(config: SaraR4Config): ResolvedConfig {
  checkString("apn", config.apn);
  checkString("server.host", config.server.host);
  checkPort("server.port", config.server.port);
  if (config.localPort !== undefined) checkPort("localPort", config.localPort);
  if (config.simPin !== undefined) {
    checkString("simPin", config.simPin);
    if (config.simPin.length > 8) throw new AtArgumentError("simPin", "has more than 8 digits");
  }
  return {
    apn: config.apn,
    host: config.server.host,
    port: config.server.port,
    simPin: config.simPin,
    operatorProfile: config.operatorProfile,
    rat: config.rat,
    hex: config.mode !== "binary",
    baud: config.baud ?? DEFAULT_BAUD,
    powerSaving: config.powerSaving,
    edrx: config.edrx,
    uartSleep: config.uartSleep === true,
    localPort: config.localPort,
    checkInterval: config.checkInterval ?? 60000,
    expectAnswers: config.expectAnswers !== false,
    weakSignal: config.weakSignal ?? -115,
    timing: { ...TIMING, ...config.timing },
  };
}
