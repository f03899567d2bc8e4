/** What the simulator can be told before it starts; all times in milliseconds. */
export interface SimulatorSettings {
  /** From V_INT high to the first answer. */
  boot: number;
  /** The same after +CFUN=15 and +CFUN=16. */
  reboot: number;
  /** From the end of a command to its answer. */
  latency: number;
  /** From +CPWROFF to its OK, and from there to V_INT low. */
  powerOff: number;
  /** From PWR_ON to V_INT high. */
  vIntRise: number;
  /** RESET_N must be low for so long. */
  resetPulse: number;
  /** From radio on to registered, and from there to attached. */
  registration: number;
  attach: number;
  /** After PSM or a short loss of coverage. */
  resume: number;
  /** From the loss of coverage to the moment the modem notices. */
  lossDetection: number;
  /** The SIM says busy for so long after a start. */
  simReady: number;
  /** One way through the network: fixed part and mean of an exponential part. */
  delay: number;
  jitter: number;
  /** Extra time for the first datagram out of idle. */
  connectDelay: number;
  /** RRC inactivity: how long the radio stays connected after a datagram (typically 10 s). */
  inactivity: number;
  /** The operator's NAT forgets a mapping that was idle for so long; Infinity: never. */
  natTimeout: number;
  /** Probability that a datagram gets lost on its way, each direction. */
  loss: number;
  /** Probability that a datagram is held back behind later ones, and for how long at most. */
  reorder: number;
  reorderDelay: number;
  /** dBm and dB. */
  rsrp: number;
  rsrq: number;
  roaming: boolean;
  operator: string;
  /** MCC and MNC. */
  operatorNumber: string;
  area: string;
  cell: string;
  imei: string;
  imsi: string;
  iccid: string;
  /** `undefined`: no PIN asked for. */
  pin: string | undefined;
  puk: string;
  /** Commands that come within 20 ms of a final result or URC are lost, as on the strictest firmware. */
  strictPause: boolean;
  /** No flow control: of what comes faster than 512 bytes in 50 ms the rest is lost (trap 11). */
  noFlowControl: boolean;
  /** Bytes mean nothing when the host speaks at another speed than +IPR says. A pseudo-terminal has none. */
  baudMatters: boolean;
  /** Active timer and periodic update that the network grants, in seconds; `undefined`: as asked. */
  grantedActiveTime: number | undefined;
  grantedPeriodicUpdate: number | undefined;
  /** The network knows PSM. */
  psm: boolean;
}

export const DEFAULT_SETTINGS: SimulatorSettings = {
  boot: 6000,
  reboot: 6000,
  latency: 20,
  powerOff: 2000,
  vIntRise: 300,
  resetPulse: 10000,
  registration: 8000,
  attach: 1000,
  resume: 1000,
  lossDetection: 2000,
  simReady: 1500,
  delay: 60,
  jitter: 30,
  connectDelay: 300,
  inactivity: 10000,
  natTimeout: 180000,
  loss: 0,
  reorder: 0,
  reorderDelay: 1500,
  rsrp: -95,
  rsrq: -10,
  roaming: false,
  operator: "Testnet",
  operatorNumber: "00101",
  area: "3A9B",
  cell: "01A0D101",
  imei: "004999010640000",
  imsi: "001010123456789",
  iccid: "8988211000000000004",
  pin: undefined,
  puk: "12345678",
  strictPause: false,
  noFlowControl: false,
  baudMatters: false,
  grantedActiveTime: undefined,
  grantedPeriodicUpdate: undefined,
  psm: true,
};

/** Everything that costs waiting made short, so that readings show within seconds of wall time. */
export const FAST_SETTINGS: Partial<SimulatorSettings> = {
  boot: 800,
  reboot: 800,
  powerOff: 300,
  registration: 1500,
  attach: 200,
  simReady: 200,
};
