import { expect, it } from "vitest";

import { History } from "../../src/tune/history";

it("undoes and redoes changes, but for those that were only on the way", () => {
  const history = new History(0);
  history.change(1);
  history.change(2);
  history.change(3, true);
  history.change(3);
  history.undo();
  expect(history.present).toBe(1);
  history.redo();
  expect(history.present).toBe(3);
  expect(history.canRedo).toBe(false);
  history.undo();
  history.undo();
  history.undo();
  expect([history.present, history.canUndo]).toEqual([0, false]);
  history.change(9);
  expect(history.canRedo).toBe(false);
});
