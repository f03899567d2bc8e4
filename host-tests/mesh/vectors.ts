/** Sample data of Mesh Profile 1.0.1, section 8 (numbers only), with its two errata corrected in #22 to #24. */
export const NET_KEY = "7dd7364cd842ad18c17c2b820c84c3d6";
export const APP_KEY = "63964771734fbd76e3b40519d1d94a48";
/** Of the node 0x1201. */
export const DEVICE_KEY = "9d6dd0e96eb25dc19a40ed9914f8f03f";
export const FRIENDSHIP = { lowPowerNode: 0x1201, friend: 0x2345, lowPowerCounter: 0, friendCounter: 0x072f };

export interface MessageVector {
  readonly name: string;
  readonly ivIndex: number;
  readonly friendship?: true;
  readonly ctl: boolean;
  readonly ttl: number;
  /** SEQ of each PDU. */
  readonly seq: readonly number[];
  readonly src: number;
  readonly dst: number;
  /** Lower transport PDUs. */
  readonly transport: readonly string[];
  /** Network PDUs. */
  readonly network: readonly string[];
  readonly access?: {
    readonly key: "app" | "device";
    /** Opcode and parameters. */
    readonly payload: string;
    readonly label?: string;
    readonly szmic?: true;
  };
}

const IV = 0x12345678;

export const MESSAGES: readonly MessageVector[] = [
  {
    name: "#1 Friend Request",
    ivIndex: IV,
    ctl: true,
    ttl: 0,
    seq: [0x000001],
    src: 0x1201,
    dst: 0xfffd,
    transport: ["034b50057e400000010000"],
    network: ["68eca487516765b5e5bfdacbaf6cb7fb6bff871f035444ce83a670df"],
  },
  {
    name: "#2 Friend Offer",
    ivIndex: IV,
    ctl: true,
    ttl: 0,
    seq: [0x014820],
    src: 0x2345,
    dst: 0x1201,
    transport: ["04320308ba072f"],
    network: ["68d4c826296d7979d7dbc0c9b4d43eebec129d20a620d01e"],
  },
  {
    name: "#3 Friend Offer",
    ivIndex: IV,
    ctl: true,
    ttl: 0,
    seq: [0x2b3832],
    src: 0x2fe3,
    dst: 0x1201,
    transport: ["04fa0205a6000a"],
    network: ["68da062bc96df253273086b8c5ee00bdd9cfcc62a2ddf572"],
  },
  {
    name: "#4 Friend Poll",
    ivIndex: IV,
    friendship: true,
    ctl: true,
    ttl: 0,
    seq: [0x000002],
    src: 0x1201,
    dst: 0x2345,
    transport: ["0100"],
    network: ["5e84eba092380fb0e5d0ad970d579a4e88051c"],
  },
  {
    name: "#5 Friend Update",
    ivIndex: IV,
    friendship: true,
    ctl: true,
    ttl: 0,
    seq: [0x014834],
    src: 0x2345,
    dst: 0x1201,
    transport: ["02001234567800"],
    network: ["5eafd6f53c43db5c39da1792b1fee9ec74b786c56d3a9dee"],
  },
  {
    name: "#6 Config AppKey Add",
    ivIndex: IV,
    ctl: false,
    ttl: 4,
    seq: [0x3129ab, 0x3129ac],
    src: 0x0003,
    dst: 0x1201,
    transport: ["8026ac01ee9dddfd2169326d23f3afdf", "8026ac21cfdc18c52fdef772e0e17308"],
    network: [
      "68cab5c5348a230afba8c63d4e686364979deaf4fd40961145939cda0e",
      "681615b5dd4a846cae0c032bf0746f44f1b8cc8ce5edc57e55beed49c0",
    ],
    access: { key: "device", payload: "0056341263964771734fbd76e3b40519d1d94a48" },
  },
  {
    name: "#7 Segment Acknowledgment",
    ivIndex: IV,
    ctl: true,
    ttl: 0x0b,
    seq: [0x014835],
    src: 0x2345,
    dst: 0x0003,
    transport: ["00a6ac00000002"],
    network: ["68e476b5579c980d0d730f94d7f3509df987bb417eb7c05f"],
  },
  {
    name: "#8 segment 0 again",
    ivIndex: IV,
    ctl: false,
    ttl: 4,
    seq: [0x3129ad],
    src: 0x0003,
    dst: 0x1201,
    transport: ["8026ac01ee9dddfd2169326d23f3afdf"],
    network: ["684daa6267c2cf0e2f91add6f06e66006844cec97f973105ae2534f958"],
  },
  {
    name: "#9 Segment Acknowledgment",
    ivIndex: IV,
    ctl: true,
    ttl: 0x0b,
    seq: [0x014836],
    src: 0x2345,
    dst: 0x0003,
    transport: ["00a6ac00000003"],
    network: ["68aec467ed4901d85d806bbed248614f938067b0d983bb7b"],
  },
  {
    name: "#10 Friend Poll",
    ivIndex: IV,
    friendship: true,
    ctl: true,
    ttl: 0,
    seq: [0x000003],
    src: 0x1201,
    dst: 0x2345,
    transport: ["0101"],
    network: ["5e7b786568759f7777ed355afaf66d899c1e3d"],
  },
  {
    name: "#12 Friend Poll",
    ivIndex: IV,
    friendship: true,
    ctl: true,
    ttl: 0,
    seq: [0x000004],
    src: 0x1201,
    dst: 0x2345,
    transport: ["0101"],
    network: ["5e8a18fc6e4d05ae21466087599c2426ce9a35"],
  },
  {
    name: "#13 stored segment 0 (as #11)",
    ivIndex: IV,
    friendship: true,
    ctl: false,
    ttl: 3,
    seq: [0x3129ad],
    src: 0x0003,
    dst: 0x1201,
    transport: ["8026ac01ee9dddfd2169326d23f3afdf"],
    network: ["5ee66b087cfb5fd5e708a20ecfd98ddfd32de80befb400213d98468322"],
  },
  {
    name: "#14 Friend Poll",
    ivIndex: IV,
    friendship: true,
    ctl: true,
    ttl: 0,
    seq: [0x000005],
    src: 0x1201,
    dst: 0x2345,
    transport: ["0100"],
    network: ["5e0bbaf92b5c8f7d3ae62a3c75dff683dce24e"],
  },
  {
    name: "#15 stored segment 1",
    ivIndex: IV,
    friendship: true,
    ctl: false,
    ttl: 3,
    seq: [0x3129ac],
    src: 0x0003,
    dst: 0x1201,
    transport: ["8026ac21cfdc18c52fdef772e0e17308"],
    network: ["5ea8dab50e7ee7f1d29805664d235eacd707217dedfe78497fefec7391"],
  },
  {
    name: "#16 Config AppKey Status",
    ivIndex: IV,
    ctl: false,
    ttl: 0x0b,
    seq: [0x000006],
    src: 0x1201,
    dst: 0x0003,
    transport: ["0089511bf1d1a81c11dcef"],
    network: ["68e80e5da5af0e6b9be7f5a642f2f98680e61c3a8b47f228"],
    access: { key: "device", payload: "800300563412" },
  },
  {
    name: "#17 the same, relayed",
    ivIndex: IV,
    ctl: false,
    ttl: 0x0a,
    seq: [0x000006],
    src: 0x1201,
    dst: 0x0003,
    transport: ["0089511bf1d1a81c11dcef"],
    network: ["68b2bd2c1e1b6f2a80d381b91f824dd4f0a3cd54cea23b7a"],
    access: { key: "device", payload: "800300563412" },
  },
  {
    name: "#18 Health Current Status",
    ivIndex: IV,
    ctl: false,
    ttl: 3,
    seq: [0x000007],
    src: 0x1201,
    dst: 0xffff,
    transport: ["665a8bde6d9106ea078a"],
    network: ["6848cba437860e5673728a627fb938535508e21a6baf57"],
    access: { key: "app", payload: "0400000000" },
  },
  {
    name: "#19 Health Current Status with faults",
    ivIndex: IV,
    ctl: false,
    ttl: 3,
    seq: [0x000009],
    src: 0x1201,
    dst: 0xffff,
    transport: ["66ca6cd88e698d1265f43fc5"],
    network: ["68110edeecd83c3010a05e1b23a926023da75d25ba91793736"],
    access: { key: "app", payload: "04000000010703" },
  },
  {
    name: "#20 under another IV Index",
    ivIndex: IV - 1,
    ctl: false,
    ttl: 3,
    seq: [0x070809],
    src: 0x1234,
    dst: 0xffff,
    transport: ["669c9803e110fea929e9542d"],
    network: ["e85cca51e2e8998c3dc87344a16c787f6b08cc897c941a5368"],
    access: { key: "app", payload: "04000000010703" },
  },
  {
    name: "#21 vendor message to a group",
    ivIndex: IV - 1,
    ctl: false,
    ttl: 3,
    seq: [0x07080a],
    src: 0x1234,
    dst: 0xc105,
    transport: ["664d92e9dfcf3ab85b6e8fcf03"],
    network: ["e84e8fbe003f58a4d61157bb76352ea6307eebfe0f30b83500e9"],
    access: { key: "app", payload: "d50a0048656c6c6f" },
  },
  {
    name: "#22 vendor message to a virtual address",
    ivIndex: IV - 1,
    ctl: false,
    ttl: 3,
    seq: [0x07080b],
    src: 0x1234,
    dst: 0xb529,
    transport: ["663871b904d431526316ca48a0"],
    network: ["e8d85caecef1e3ed31f3fdcf88a411135fea55df730b6b28e255"],
    access: { key: "app", payload: "d50a0048656c6c6f", label: "0073e7e4d8b9440faf8415df4c56c0e1" },
  },
  {
    name: "#23 vendor message to another virtual address",
    ivIndex: IV - 1,
    ctl: false,
    ttl: 3,
    seq: [0x07080c],
    src: 0x1234,
    dst: 0x9736,
    transport: ["662456db5e3100eef65daa7a38"],
    network: ["e877a48dd5fe2d7a9d696d3dd16a75489696f0b70c711b881385"],
    access: { key: "app", payload: "d50a0048656c6c6f", label: "f4a002c7fb1e4ca0a469a021de0db875" },
  },
  {
    name: "#24 segmented with an 8-byte TransMIC",
    ivIndex: IV - 1,
    ctl: false,
    ttl: 3,
    seq: [0x07080d, 0x07080e],
    src: 0x1234,
    dst: 0x9736,
    transport: ["e6a03401c3c51d8e476b28e3aa5001f3", "e6a034211c01cea6"],
    network: [
      "e8624e65bb8c1794e998b4081f47a35251fdd3896d99e4db489b918599",
      "e8a7d0f0a2ea42dc2f4dd6fb4db33a6c088d023b47",
    ],
    access: {
      key: "app",
      payload: "ea0a00576f726c64",
      label: "f4a002c7fb1e4ca0a469a021de0db875",
      szmic: true,
    },
  },
];

/** #11 is printed with an AKF bit that #8, which it stores, has not; it is kept apart because of that. */
export const MESSAGE_11: MessageVector = {
  name: "#11 stored segment 0",
  ivIndex: IV,
  friendship: true,
  ctl: false,
  ttl: 3,
  seq: [0x3129ad],
  src: 0x0003,
  dst: 0x1201,
  transport: ["c026ac01ee9dddfd2169326d23f3afdf"],
  network: ["5e6ebfc021edf5d5e748a20ecfd98ddfd32de80befb400213d113813b5"],
};

/** Recorded from BlueZ's bluetooth-meshd: a vendor message and its answer, under IV Index 0x12345678. */
export const BLUEZ_EXCHANGE = [
  {
    src: 0x0003,
    dst: 0x1201,
    seq: 5,
    ttl: 127,
    network: "1b2a68ffbd28af8c337429ceb4aa754553d69249c0ecdaec07653dfd",
    access: "c1590048656c6c6f",
  },
  {
    src: 0x1201,
    dst: 0x0003,
    seq: 0x10,
    ttl: 4,
    network: "1a2a6881f9654c1620eee281e5b9d30302fd1f4050dbd191ea7e6d",
    access: "c2590070696e67",
  },
] as const;
