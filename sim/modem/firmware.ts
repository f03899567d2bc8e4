/** A model and firmware, and what this one does otherwise than the next. */
export interface FirmwareVariant {
  readonly model: string;
  /** +CGMR */
  readonly revision: string;
  /** ATI9 */
  readonly application: string;
  /** Technologies in +URAT's numbers. */
  readonly rats: readonly number[];
  /** A quoted field more between tac and ci in +CEREG's form 4. */
  readonly extraCeregField: boolean;
  /** The URC of new datagrams. */
  readonly datagramUrc: "+UUSORF" | "+UUSORD";
  /** What the URC and +USORF=n,0 count. */
  readonly counts: "next" | "total";
  /** How a read from an empty socket is answered. */
  readonly emptyRead: "short" | "error";
  /** A datagram without coverage is refused, or taken and lost. */
  readonly withoutCoverage: "refuse" | "lose";
  /** Opening a socket under this RSRP (dBm) locks the modem up for good (trap 10). */
  readonly locksUpBelow: number | undefined;
  /** +CEREG says "not registered" although the modem is attached (seen on R412M). */
  readonly silentCereg: boolean;
  /** Bytes without a meaning on the UART while it boots. */
  readonly bootJunk: readonly number[];
}

const R410_0508: FirmwareVariant = {
  model: "SARA-R410M-02B",
  revision: "L0.0.00.00.05.08 [Apr 17 2019 19:34:02]",
  application: "L0.0.00.00.05.08,A.02.04",
  rats: [7, 8],
  extraCeregField: true,
  datagramUrc: "+UUSORF",
  counts: "total",
  emptyRead: "short",
  withoutCoverage: "lose",
  locksUpBelow: undefined,
  silentCereg: false,
  bootJunk: [0, 0],
};

/** By the names that the command line takes. */
export const FIRMWARE: Readonly<Record<string, FirmwareVariant>> = {
  "r410m-05.08": R410_0508,
  "r410m-05.06": {
    ...R410_0508,
    revision: "L0.0.00.00.05.06 [Feb 03 2018 13:00:41]",
    application: "L0.0.00.00.05.06,A.02.01",
    datagramUrc: "+UUSORD",
    counts: "next",
    emptyRead: "error",
    withoutCoverage: "refuse",
    locksUpBelow: -115,
  },
  "r412m-05.12": {
    ...R410_0508,
    model: "SARA-R412M-02B",
    revision: "M0.10.00.00.05.12 [Jul 26 2019 06:40:02]",
    application: "M0.10.00.00.05.12,A.02.16",
    rats: [7, 8, 9],
    counts: "next",
    silentCereg: true,
  },
  "r410m-03": {
    ...R410_0508,
    model: "SARA-R410M-03B",
    revision: "L0.0.00.00.08.07 [Dec 11 2020 09:12:33]",
    application: "L0.0.00.00.08.07,A.03.02",
    extraCeregField: false,
    emptyRead: "error",
    withoutCoverage: "refuse",
  },
};

export const DEFAULT_FIRMWARE = "r410m-05.08";
