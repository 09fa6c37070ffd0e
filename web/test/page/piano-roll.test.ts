import { describe, expect, it } from "vitest";

import { NO_CLUE, solidity } from "../../src/page/piano-roll";

describe("the solidity of a note", () => {
  it("grows with the probability, from an outline to a solid note", () => {
    const drawn = [0, NO_CLUE, 0.4, 0.6, 0.75, 1].map(solidity);
    expect(drawn).toEqual([...drawn].sort((a, b) => a - b));
    expect([drawn[0], drawn[1], drawn[4], drawn[5]]).toEqual([0, 0, 1, 1]);
  });
});
