import { equal } from "../bytes/compare.js";
import type { ByteReader } from "../bytes/reader.js";
import type { ByteWriter } from "../bytes/writer.js";
import { ALL_NODES, isGroup, isReservedGroup, UNASSIGNED } from "./addresses.js";
import {
  Config,
  readModelId,
  readU16le,
  Status,
  writeIndexes,
  writeModelId,
  writeU16le,
} from "./foundation.js";
import type { FoundationHandler, FoundationHandlers, FoundationNode } from "./foundation-node.js";
import { KEY_INDEX_MAX } from "./keys.js";
import { BINDINGS_MAX, GROUPS_MAX, LABELS_MAX, type Model, type Publication } from "./models.js";
import { TTL_DEFAULT, TTL_MAX } from "./numbers.js";

/** Binding, publication and subscription of models (Mesh Profile §4.4.1.2.7 and following). */
export const modelHandlers = (): FoundationHandlers => ({
  [Config.MODEL_APP_BIND]: binding((node, model, appKeyIndex) => {
    if (model.foundation) return Status.CANNOT_BIND;
    if (node.keys.appKey(appKeyIndex) === undefined) return Status.INVALID_APPKEY_INDEX;
    if (model.bindings.includes(appKeyIndex)) return Status.SUCCESS;
    if (model.bindings.length >= BINDINGS_MAX) return Status.INSUFFICIENT_RESOURCES;
    model.bindings.push(appKeyIndex);
    return Status.SUCCESS;
  }),
  [Config.MODEL_APP_UNBIND]: binding((node, model, appKeyIndex) => {
    if (model.foundation) return Status.CANNOT_BIND;
    if (node.keys.appKey(appKeyIndex) === undefined) return Status.INVALID_APPKEY_INDEX;
    const at = model.bindings.indexOf(appKeyIndex);
    if (at >= 0) model.bindings.splice(at, 1);
    // §4.4.1.2.8: what was published with this key is not published any more.
    if (model.publication?.appKeyIndex === appKeyIndex) model.publication = undefined;
    return Status.SUCCESS;
  }),
  [Config.SIG_MODEL_APP_GET]: appList(2, Config.SIG_MODEL_APP_LIST),
  [Config.VENDOR_MODEL_APP_GET]: appList(4, Config.VENDOR_MODEL_APP_LIST),

  [Config.MODEL_PUBLICATION_GET]: (node, reader, writer) => {
    const elementAddress = readU16le(reader);
    const id = readModelId(reader);
    if (elementAddress === undefined || id === undefined) return undefined;
    const model = find(node, elementAddress, id);
    const found = typeof model !== "number";
    writePublication(
      writer,
      found ? Status.SUCCESS : model,
      elementAddress,
      found ? model.publication : undefined,
      id,
    );
    return Config.MODEL_PUBLICATION_STATUS;
  },
  [Config.MODEL_PUBLICATION_SET]: publicationSet(false),
  [Config.MODEL_PUBLICATION_VIRTUAL_SET]: publicationSet(true),

  [Config.MODEL_SUBSCRIPTION_ADD]: groupSubscription((model, group) => addGroup(model, group)),
  [Config.MODEL_SUBSCRIPTION_DELETE]: groupSubscription((model, group) => {
    const at = model.groups.indexOf(group);
    if (at >= 0) model.groups.splice(at, 1);
    return Status.SUCCESS;
  }),
  [Config.MODEL_SUBSCRIPTION_OVERWRITE]: groupSubscription((model, group) => {
    forgetSubscriptions(model);
    return addGroup(model, group);
  }),
  [Config.MODEL_SUBSCRIPTION_VIRTUAL_ADD]: virtualSubscription((node, model, uuid) =>
    addLabel(node, model, uuid),
  ),
  [Config.MODEL_SUBSCRIPTION_VIRTUAL_DELETE]: virtualSubscription((_node, model, uuid) => {
    const at = model.labels.findIndex((label) => equal(label.uuid, uuid));
    if (at >= 0) model.labels.splice(at, 1);
    return Status.SUCCESS;
  }),
  [Config.MODEL_SUBSCRIPTION_VIRTUAL_OVERWRITE]: virtualSubscription((node, model, uuid) => {
    forgetSubscriptions(model);
    return addLabel(node, model, uuid);
  }),
  [Config.MODEL_SUBSCRIPTION_DELETE_ALL]: (node, reader, writer) => {
    const elementAddress = readU16le(reader);
    const id = readModelId(reader);
    if (elementAddress === undefined || id === undefined) return undefined;
    const status = subscribe(node, elementAddress, id, (model) => {
      forgetSubscriptions(model);
      return Status.SUCCESS;
    });
    writeSubscription(writer, status, elementAddress, UNASSIGNED, id);
    return Config.MODEL_SUBSCRIPTION_STATUS;
  },
  [Config.SIG_MODEL_SUBSCRIPTION_GET]: subscriptionList(2, Config.SIG_MODEL_SUBSCRIPTION_LIST),
  [Config.VENDOR_MODEL_SUBSCRIPTION_GET]: subscriptionList(4, Config.VENDOR_MODEL_SUBSCRIPTION_LIST),
});

/** A model, or the status code that says why there is none. */
function find(node: FoundationNode, elementAddress: number, id: number): Model | Status {
  if (!node.state.isOwn(elementAddress)) return Status.INVALID_ADDRESS;
  return node.models.find(elementAddress, id) ?? Status.INVALID_MODEL;
}

function binding(
  apply: (node: FoundationNode, model: Model, appKeyIndex: number) => Status,
): FoundationHandler {
  return (node, reader, writer) => {
    const elementAddress = readU16le(reader);
    const index = readU16le(reader);
    const id = readModelId(reader);
    if (elementAddress === undefined || index === undefined || id === undefined) return undefined;
    const appKeyIndex = index & KEY_INDEX_MAX;
    const model = find(node, elementAddress, id);
    let status: Status;
    if (typeof model === "number") {
      status = model;
    } else {
      status = apply(node, model, appKeyIndex);
      if (status === Status.SUCCESS && !node.models.save(model)) status = Status.STORAGE_FAILURE;
    }
    writeU16le(writer.u8(status), elementAddress);
    writeModelId(writeU16le(writer, appKeyIndex), id);
    return Config.MODEL_APP_STATUS;
  };
}

function appList(idLength: number, answer: number): FoundationHandler {
  return (node, reader, writer) => {
    if (reader.remaining !== 2 + idLength) return undefined;
    const elementAddress = readU16le(reader)!;
    const id = readModelId(reader)!;
    const model = find(node, elementAddress, id);
    const found = typeof model !== "number";
    writeU16le(writer.u8(found ? Status.SUCCESS : model), elementAddress);
    writeModelId(writer, id);
    writeIndexes(writer, found ? model.bindings : []);
    return answer;
  };
}

function publicationSet(virtual: boolean): FoundationHandler {
  return (node, reader, writer) => {
    const elementAddress = readU16le(reader);
    const label = virtual ? reader.view(16)?.slice() : undefined;
    const plain = virtual ? undefined : readU16le(reader);
    const indexAndFlag = readU16le(reader);
    const ttl = reader.u8();
    const period = reader.u8();
    const retransmit = reader.u8();
    const id = readModelId(reader);
    if (elementAddress === undefined || retransmit === undefined || id === undefined) return undefined;
    if (virtual && label === undefined) return undefined;
    const address = virtual ? node.models.label(label!).address : plain!;
    const publication: Publication = {
      address,
      label,
      appKeyIndex: indexAndFlag! & KEY_INDEX_MAX,
      friendshipCredentials: (indexAndFlag! & 0x1000) !== 0,
      ttl: ttl!,
      period: period!,
      retransmit,
    };
    // Values that §4.2.2.5 prohibits.
    if (publication.ttl > TTL_MAX && publication.ttl !== TTL_DEFAULT) return undefined;
    const model = find(node, elementAddress, id);
    const status = typeof model === "number" ? model : setPublication(node, model, publication);
    const now = typeof model === "number" || status !== Status.SUCCESS ? undefined : model.publication;
    writePublication(writer, status, elementAddress, now, id);
    return Config.MODEL_PUBLICATION_STATUS;
  };
}

function setPublication(node: FoundationNode, model: Model, publication: Publication): Status {
  if (model.foundation || isReservedGroup(publication.address)) return Status.INVALID_PUBLISH_PARAMETERS;
  if (publication.address === UNASSIGNED) {
    model.publication = undefined;
  } else {
    if (!model.bindings.includes(publication.appKeyIndex)) return Status.INVALID_APPKEY_INDEX;
    if (publication.friendshipCredentials && !node.state.lowPowerSupported)
      return Status.FEATURE_NOT_SUPPORTED;
    model.publication = publication;
  }
  node.models.onPublication?.(model);
  return node.models.save(model) ? Status.SUCCESS : Status.STORAGE_FAILURE;
}

function writePublication(
  writer: ByteWriter,
  status: Status,
  elementAddress: number,
  publication: Publication | undefined,
  id: number,
): void {
  writeU16le(writer.u8(status), elementAddress);
  writeU16le(writer, publication?.address ?? UNASSIGNED);
  writeU16le(
    writer,
    (publication?.appKeyIndex ?? 0) | (publication?.friendshipCredentials === true ? 0x1000 : 0),
  );
  writer
    .u8(publication?.ttl ?? 0)
    .u8(publication?.period ?? 0)
    .u8(publication?.retransmit ?? 0);
  writeModelId(writer, id);
}

function subscribe(
  node: FoundationNode,
  elementAddress: number,
  id: number,
  apply: (model: Model) => Status,
): Status {
  const model = find(node, elementAddress, id);
  if (typeof model === "number") return model;
  if (model.foundation) return Status.NOT_A_SUBSCRIBE_MODEL;
  const status = apply(model);
  if (status !== Status.SUCCESS) return status;
  node.models.apply();
  return node.models.save(model) ? status : Status.STORAGE_FAILURE;
}

function groupSubscription(apply: (model: Model, group: number) => Status): FoundationHandler {
  return (node, reader, writer) => {
    const elementAddress = readU16le(reader);
    const group = readU16le(reader);
    const id = readModelId(reader);
    if (elementAddress === undefined || group === undefined || id === undefined) return undefined;
    const status = subscribe(node, elementAddress, id, (model) =>
      // §4.3.2.19: groups, and of the fixed ones not all-nodes, which every node hears anyhow.
      isGroup(group) && group !== ALL_NODES && !isReservedGroup(group)
        ? apply(model, group)
        : Status.INVALID_ADDRESS,
    );
    writeSubscription(writer, status, elementAddress, group, id);
    return Config.MODEL_SUBSCRIPTION_STATUS;
  };
}

function virtualSubscription(
  apply: (node: FoundationNode, model: Model, uuid: Uint8Array) => Status,
): FoundationHandler {
  return (node, reader, writer) => {
    const elementAddress = readU16le(reader);
    const uuid = reader.view(16);
    const id = readModelId(reader);
    if (elementAddress === undefined || uuid === undefined || id === undefined) return undefined;
    const status = subscribe(node, elementAddress, id, (model) => apply(node, model, uuid));
    writeSubscription(writer, status, elementAddress, node.models.label(uuid).address, id);
    return Config.MODEL_SUBSCRIPTION_STATUS;
  };
}

function addGroup(model: Model, group: number): Status {
  if (model.groups.includes(group)) return Status.SUCCESS;
  if (model.groups.length >= GROUPS_MAX) return Status.INSUFFICIENT_RESOURCES;
  model.groups.push(group);
  return Status.SUCCESS;
}

function addLabel(node: FoundationNode, model: Model, uuid: Uint8Array): Status {
  if (model.labels.some((label) => equal(label.uuid, uuid))) return Status.SUCCESS;
  if (model.labels.length >= LABELS_MAX) return Status.INSUFFICIENT_RESOURCES;
  model.labels.push(node.models.label(uuid));
  return Status.SUCCESS;
}

function forgetSubscriptions(model: Model): void {
  model.groups.length = 0;
  model.labels.length = 0;
}

function writeSubscription(
  writer: ByteWriter,
  status: Status,
  elementAddress: number,
  address: number,
  id: number,
): void {
  writeU16le(writer.u8(status), elementAddress);
  writeModelId(writeU16le(writer, address), id);
}

function subscriptionList(idLength: number, answer: number): FoundationHandler {
  return (node, reader: ByteReader, writer) => {
    if (reader.remaining !== 2 + idLength) return undefined;
    const elementAddress = readU16le(reader)!;
    const id = readModelId(reader)!;
    const model = find(node, elementAddress, id);
    let status: Status = Status.SUCCESS;
    if (typeof model === "number") status = model;
    else if (model.foundation) status = Status.NOT_A_SUBSCRIBE_MODEL;
    writeU16le(writer.u8(status), elementAddress);
    writeModelId(writer, id);
    if (typeof model !== "number" && status === Status.SUCCESS) {
      for (const group of model.groups) writeU16le(writer, group);
      for (const { address } of model.labels) writeU16le(writer, address);
    }
    return answer;
  };
}
