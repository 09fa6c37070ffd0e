import { describe, expect, it } from "vitest";

import { DuetSteps, PATIENCE, type PlayedStep } from "../../src/tune/duet-steps";

const STEP = 0.4; // seconds

/** The steps, as `0n67` for a note, `1.` for a held one, `2r` for a rest, and `!` for one that is told again. */
function told(play: (steps: DuetSteps) => void): string {
  const found: PlayedStep[] = [];
  play(new DuetSteps(10, STEP, (step) => found.push(step)));
  return found
    .map(({ step, plays, pitch, again }) => `${step}${plays === "note" ? `n${pitch}` : plays === "hold" ? "." : "r"}${again ? "!" : ""}`)
    .join(" ");
}

describe("the steps of a duet", () => {
  it("begin with the first note, at the nearest step", () => {
    expect(told((steps) => steps.advance(12))).toBe("");
    expect(told((steps) => steps.press(67, 10.81))).toBe("0n67");
  });

  it("are told at once where a key is pressed, and a little later where none is", () => {
    expect(
      told((steps) => {
        steps.press(67, 10);
        steps.advance(10 + STEP + PATIENCE - 0.001);
      }),
    ).toBe("0n67");
    expect(
      told((steps) => {
        steps.press(67, 10);
        steps.advance(10 + STEP + PATIENCE);
        steps.press(69, 10 + 2 * STEP - 0.1); // early
      }),
    ).toBe("0n67 1. 2n69");
  });

  it("are told again for a key that comes late, but once", () => {
    const late = (steps: DuetSteps): void => {
      steps.press(67, 10);
      steps.advance(10.5);
      steps.press(69, 10.53);
    };
    expect(told(late)).toBe("0n67 1. 1n69!");
    expect(
      told((steps) => {
        late(steps);
        steps.press(71, 10.55);
        steps.advance(11);
      }),
    ).toBe("0n67 1. 1n69! 2n71");
  });

  it("have the later of two notes at one step at the next one", () => {
    expect(
      told((steps) => {
        steps.press(67, 10);
        steps.press(69, 10.1);
        steps.advance(10.9);
      }),
    ).toBe("0n67 1n69 2.");
  });

  it("hold short notes, and rest after a whole step without a key", () => {
    expect(
      told((steps) => {
        steps.press(67, 10);
        steps.lift(67, 10.2);
        steps.advance(11.3);
      }),
    ).toBe("0n67 1. 2r 3r");
  });

  it("go on counting while the player is silent", () => {
    expect(
      told((steps) => {
        steps.press(67, 10);
        steps.lift(67, 10.1);
        steps.press(60, 12.01);
      }),
    ).toBe("0n67 1. 2r 3r 4r 5n60");
  });
});
