import type { EventJson, NodeInfo, ReadingJson, RequestJson } from "../model.js";
import type { AlarmJson, SummaryJson } from "../overview-json.js";
import type { Acknowledged } from "./alarm-rows.js";
import type { Page } from "./client.js";

/** One page of the page: made when one comes to it, closed when one leaves. What happens meanwhile is told to it. */
export interface View {
  /** Of the window, and what a screen reader says on coming here. */
  readonly title: string;
  readonly element: HTMLElement;
  /** Everything anew: at the beginning, and when the connection was lost in between. */
  load(): Promise<void>;
  onReading?(reading: ReadingJson): void;
  onEvent?(event: EventJson): void;
  onNode?(node: NodeInfo): void;
  onRemoved?(name: string): void;
  onRequest?(request: RequestJson): void;
  /** Counts or alarms are new. */
  onPulse?(): void;
  /** Every second: ages go on without the server. */
  age?(): void;
  /** The colours have changed. */
  recolour?(): void;
  close?(): void;
}

/** What all views share. */
export interface Context {
  readonly summary: SummaryJson | undefined;
  readonly alarms: Page<AlarmJson>;
  readonly acknowledged: Acknowledged;
  /** Alarms that nobody has acknowledged. */
  readonly open: readonly AlarmJson[];
  /** Alarms were acknowledged: the counts change. */
  acknowledge(alarms: readonly AlarmJson[], acknowledged: boolean): void;
  /** Does what takes a token, and asks for one where it is missing or too weak. @returns whether it was done */
  authorized(what: string, act: () => Promise<void>): Promise<boolean>;
  /** A short message for everybody, also those who do not see. */
  say(text: string): void;
}
