/** RFC 8613 Appendix C as data. Everything in hex. */

export interface DerivationVector {
  name: string;
  masterSecret: string;
  masterSalt?: string;
  senderId: string;
  recipientId: string;
  idContext?: string;
  senderInfo: string;
  recipientInfo: string;
  ivInfo: string;
  senderKey: string;
  recipientKey: string;
  commonIv: string;
  senderNonce: string;
  recipientNonce: string;
}

const SECRET = "0102030405060708090a0b0c0d0e0f10";
const SALT = "9e7ca92223786340";

export const DERIVATIONS = {
  "C.1.1": {
    name: "with Master Salt, client",
    masterSecret: SECRET,
    masterSalt: SALT,
    senderId: "",
    recipientId: "01",
    senderInfo: "8540f60a634b657910",
    recipientInfo: "854101f60a634b657910",
    ivInfo: "8540f60a6249560d",
    senderKey: "f0910ed7295e6ad4b54fc793154302ff",
    recipientKey: "ffb14e093c94c9cac9471648b4f98710",
    commonIv: "4622d4dd6d944168eefb54987c",
    senderNonce: "4622d4dd6d944168eefb54987c",
    recipientNonce: "4722d4dd6d944169eefb54987c",
  },
  "C.1.2": {
    name: "with Master Salt, server",
    masterSecret: SECRET,
    masterSalt: SALT,
    senderId: "01",
    recipientId: "",
    senderInfo: "854101f60a634b657910",
    recipientInfo: "8540f60a634b657910",
    ivInfo: "8540f60a6249560d",
    senderKey: "ffb14e093c94c9cac9471648b4f98710",
    recipientKey: "f0910ed7295e6ad4b54fc793154302ff",
    commonIv: "4622d4dd6d944168eefb54987c",
    senderNonce: "4722d4dd6d944169eefb54987c",
    recipientNonce: "4622d4dd6d944168eefb54987c",
  },
  "C.2.1": {
    name: "without Master Salt, client",
    masterSecret: SECRET,
    senderId: "00",
    recipientId: "01",
    senderInfo: "854100f60a634b657910",
    recipientInfo: "854101f60a634b657910",
    ivInfo: "8540f60a6249560d",
    senderKey: "321b26943253c7ffb6003b0b64d74041",
    recipientKey: "e57b5635815177cd679ab4bcec9d7dda",
    commonIv: "be35ae297d2dace910c52e99f9",
    senderNonce: "bf35ae297d2dace910c52e99f9",
    recipientNonce: "bf35ae297d2dace810c52e99f9",
  },
  "C.2.2": {
    name: "without Master Salt, server",
    masterSecret: SECRET,
    senderId: "01",
    recipientId: "00",
    senderInfo: "854101f60a634b657910",
    recipientInfo: "854100f60a634b657910",
    ivInfo: "8540f60a6249560d",
    senderKey: "e57b5635815177cd679ab4bcec9d7dda",
    recipientKey: "321b26943253c7ffb6003b0b64d74041",
    commonIv: "be35ae297d2dace910c52e99f9",
    // The RFC prints the recipient nonce here too; this is what §5.2 gives for the ID 0x01 (as in C.2.1).
    senderNonce: "bf35ae297d2dace810c52e99f9",
    recipientNonce: "bf35ae297d2dace910c52e99f9",
  },
  "C.3.1": {
    name: "with ID Context, client",
    masterSecret: SECRET,
    masterSalt: SALT,
    senderId: "",
    recipientId: "01",
    idContext: "37cbf3210017a2d3",
    senderInfo: "85404837cbf3210017a2d30a634b657910",
    recipientInfo: "8541014837cbf3210017a2d30a634b657910",
    ivInfo: "85404837cbf3210017a2d30a6249560d",
    senderKey: "af2a1300a5e95788b356336eeecd2b92",
    recipientKey: "e39a0c7c77b43f03b4b39ab9a268699f",
    commonIv: "2ca58fb85ff1b81c0b7181b85e",
    senderNonce: "2ca58fb85ff1b81c0b7181b85e",
    recipientNonce: "2da58fb85ff1b81d0b7181b85e",
  },
  "C.3.2": {
    name: "with ID Context, server",
    masterSecret: SECRET,
    masterSalt: SALT,
    senderId: "01",
    recipientId: "",
    idContext: "37cbf3210017a2d3",
    senderInfo: "8541014837cbf3210017a2d30a634b657910",
    recipientInfo: "85404837cbf3210017a2d30a634b657910",
    ivInfo: "85404837cbf3210017a2d30a6249560d",
    senderKey: "e39a0c7c77b43f03b4b39ab9a268699f",
    recipientKey: "af2a1300a5e95788b356336eeecd2b92",
    commonIv: "2ca58fb85ff1b81c0b7181b85e",
    senderNonce: "2da58fb85ff1b81d0b7181b85e",
    recipientNonce: "2ca58fb85ff1b81c0b7181b85e",
  },
} satisfies Record<string, DerivationVector>;

export interface RequestVector {
  client: keyof typeof DERIVATIONS;
  server: keyof typeof DERIVATIONS;
  unprotected: string;
  sequenceNumber: number;
  sendKidContext: boolean;
  aad: string;
  nonce: string;
  option: string;
  ciphertext: string;
  protected: string;
}

export const REQUESTS: Record<"C.4" | "C.5" | "C.6", RequestVector> = {
  "C.4": {
    client: "C.1.1",
    server: "C.1.2",
    unprotected: "44015d1f00003974396c6f63616c686f737483747631",
    sequenceNumber: 20,
    sendKidContext: false,
    aad: "8368456e63727970743040488501810a40411440",
    nonce: "4622d4dd6d944168eefb549868",
    option: "0914",
    ciphertext: "612f1092f1776f1c1668b3825e",
    protected: "44025d1f00003974396c6f63616c686f7374620914ff612f1092f1776f1c1668b3825e",
  },
  "C.5": {
    client: "C.2.1",
    server: "C.2.2",
    unprotected: "440171c30000b932396c6f63616c686f737483747631",
    sequenceNumber: 20,
    sendKidContext: false,
    aad: "8368456e63727970743040498501810a4100411440",
    nonce: "bf35ae297d2dace910c52e99ed",
    option: "091400",
    ciphertext: "4ed339a5a379b0b8bc731fffb0",
    protected: "440271c30000b932396c6f63616c686f737463091400ff4ed339a5a379b0b8bc731fffb0",
  },
  "C.6": {
    client: "C.3.1",
    server: "C.3.2",
    unprotected: "44012f8eef9bbf7a396c6f63616c686f737483747631",
    sequenceNumber: 20,
    sendKidContext: true,
    aad: "8368456e63727970743040488501810a40411440",
    nonce: "2ca58fb85ff1b81c0b7181b84a",
    option: "19140837cbf3210017a2d3",
    ciphertext: "72cd7273fd331ac45cffbe55c3",
    protected: "44022f8eef9bbf7a396c6f63616c686f73746b19140837cbf3210017a2d3ff72cd7273fd331ac45cffbe55c3",
  },
};

export interface ResponseVector {
  /** the request that it answers, by the vector's name */
  request: keyof typeof REQUESTS;
  unprotected: string;
  sequenceNumber?: number;
  aad: string;
  nonce: string;
  option: string;
  ciphertext: string;
  protected: string;
}

export const RESPONSES: Record<"C.7" | "C.8", ResponseVector> = {
  "C.7": {
    request: "C.4",
    unprotected: "64455d1f00003974ff48656c6c6f20576f726c6421",
    aad: "8368456e63727970743040488501810a40411440",
    nonce: "4622d4dd6d944168eefb549868",
    option: "",
    ciphertext: "dbaad1e9a7e7b2a813d3c31524378303cdafae119106",
    protected: "64445d1f0000397490ffdbaad1e9a7e7b2a813d3c31524378303cdafae119106",
  },
  "C.8": {
    request: "C.4",
    unprotected: "64455d1f00003974ff48656c6c6f20576f726c6421",
    sequenceNumber: 0,
    aad: "8368456e63727970743040488501810a40411440",
    nonce: "4722d4dd6d944169eefb54987c",
    option: "0100",
    ciphertext: "4d4c13669384b67354b2b6175ff4b8658c666a6cf88e",
    protected: "64445d1f00003974920100ff4d4c13669384b67354b2b6175ff4b8658c666a6cf88e",
  },
};
