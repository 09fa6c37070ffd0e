import { describe, expect, it } from "vitest";

import { NO_CLUE, solidity } from "../../src/page/piano-roll";

describe("how solid a note is drawn", () => {
  it("grows with how sure the network was, from an outline to a whole note", () => {
    const drawn = [0, NO_CLUE, 0.4, 0.6, 0.75, 1].map(solidity);
    expect(drawn).toEqual([...drawn].sort((a, b) => a - b));
    expect([drawn[0], drawn[1], drawn[4], drawn[5]]).toEqual([0, 0, 1, 1]);
  });
});
