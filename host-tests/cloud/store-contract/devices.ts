import assert from "node:assert/strict";
import { FRESH } from "../../../cloud/context.js";
import { type ContextDraft, ContextTaken, type SavedNode } from "../../../cloud/store/store.js";
import { commit, contextDraft, nodeDraft, request, START, type StoreCase } from "./case.js";

export function describeDevices(at: StoreCase): void {
  describe("devices", () => {
    it("are there after a restart, with all that was said about them", async () => {
      const { node, created } = await at.store.saveNode(
        nodeDraft("Ofen „Süd“ 🌡", { kind: "gateway", meshAddress: 0x7fff, place: "Küche; '\"\\" }),
      );
      assert.equal(created, true);
      assert.deepEqual((await at.reopen()).nodes, [node]);
      assert.deepEqual(node, {
        id: node.id,
        name: "Ofen „Süd“ 🌡",
        kind: "gateway",
        meshAddress: 0x7fff,
        place: "Küche; '\"\\",
        created: START,
      });
      assert.deepEqual(await at.store.registered(), [{ node, context: undefined }]);
      assert.deepEqual(await at.store.registered(node.id + 1), []);
    });

    it("change, leave and come back under their number", async () => {
      const { node } = await at.register("a", 1, { place: "here" });
      const changed = await at.store.saveNode(nodeDraft("a", { now: START + 1 }));
      assert.equal(changed.created, false);
      assert.deepEqual(changed.node, { ...node, place: undefined });
      await at.store.removeNode(node.id, START + 2);
      let snapshot = await at.reopen();
      assert.deepEqual(snapshot.nodes, []);
      assert.deepEqual(snapshot.contexts, []);
      assert.deepEqual(snapshot.former, [{ id: node.id, name: "a" }]);
      const again = await at.store.saveNode(nodeDraft("a"));
      assert.equal(again.created, true);
      assert.equal(again.node.id, node.id);
      snapshot = await at.reopen();
      assert.deepEqual(snapshot.former, []);
    });

    it("keep what was accepted under the same keys, and begin anew under others", async () => {
      const seen = Uint8Array.of(1, 2, 3);
      const lastRequest = Uint8Array.of(0, 255);
      const { keys, context } = await at.register("a", 1);
      keys.record = { ...FRESH, highest: 7, seen, lastRequest, lastAnswer: new Uint8Array(0) };
      assert.deepEqual(await commit(at.store, { requests: [request(keys, 7)] }), ["stored"]);
      const state = (saved: SavedNode) => {
        const { highest, seen: window, lastRequest: last, lastAnswer } = saved.context!;
        return [highest, window && [...window], last && [...last], lastAnswer && [...lastAnswer]];
      };
      const used = [7, [1, 2, 3], [0, 255], []];
      const fresh = [-1, [...FRESH.seen!], undefined, undefined];
      const [one, two] = [contextDraft(1), contextDraft(2)];
      const save = (name: string, draft: ContextDraft | "keep") =>
        at.store.saveNode(nodeDraft(name, { context: draft }));
      assert.deepEqual(state(await save("a", "keep")), used);
      assert.deepEqual(state(await save("a", one)), used, "the same keys");
      const other = await save("a", two);
      assert.deepEqual(state(other), fresh, "other keys");
      assert.notEqual(other.context?.id, context?.id);
      assert.deepEqual(state(await save("a", one)), used, "the old keys again");
      await at.store.removeNode(keys.id, START);
      await at.reopen();
      const moved = await save("b", one);
      assert.deepEqual(state(moved), used, "under another name");
      assert.deepEqual((await at.reopen()).contexts, [moved.context]);
    });

    it("have keys of their own for each ID", async () => {
      await at.register("a", 1);
      const taken = nodeDraft("b", { context: contextDraft(2, { nodeId: Uint8Array.of(1) }) });
      await assert.rejects(
        at.store.saveNode(taken),
        (error) => error instanceof ContextTaken && error.holder === "a",
      );
      assert.deepEqual((await at.store.load()).nodes.length, 1, "nothing of it was kept");
      for (const [seed, idContext] of [
        [3, new Uint8Array(0)],
        [4, Uint8Array.of(0)],
      ] as const) {
        await at.register(`n${seed}`, seed, {
          context: contextDraft(seed, { nodeId: Uint8Array.of(1), idContext }),
        });
      }
      assert.equal((await at.store.load()).contexts.length, 3);
    });

    it("may have keys of which nobody knows what was accepted and sent", async () => {
      const { context, keys } = await at.register("a", 1, {
        context: contextDraft(1, { seen: undefined, senderSequence: undefined }),
      });
      assert.equal(context?.seen, undefined);
      assert.equal(at.store.reserve(keys, 1), "lost");
      const [again] = (await at.reopen()).contexts;
      assert.equal(again.seen, undefined);
      assert.equal(at.store.reserve(again, 64), "lost");
    });
  });
}
