import { describe, expect, it } from "vitest";
import { LineLayout } from "../../src/notation/line-layout";

const widthOf = (index: number): number => 100 + 13 * (index % 7);

/** A line that is drawn one bar at a time, and how often each bar was. */
class DrawnLine {
  readonly layout = new LineLayout<string>();
  readonly drawn: number[] = [];

  /** Draws all between two places.
   *  @returns how many bars it drew. */
  show(count: number, from: number, to: number, start = 0): number {
    let drawn = 0;
    for (let next = this.layout.next(count, from, to, start); next !== null; drawn++) {
      this.layout.put(next, widthOf(next), `bar ${next}`);
      this.drawn.push(next);
      next = this.layout.next(count, from, to, start);
    }
    this.layout.release(from - 400, to + 400);
    return drawn;
  }

  get held(): number {
    let count = 0;
    for (let i = this.layout.first; i < this.layout.until; i++) if (this.layout.at(i)?.drawing !== null) count++;
    return count;
  }
}

describe("a line of music", () => {
  it("draws each bar once while it scrolls, as many for a new bar at the beginning as at the end", () => {
    const line = new DrawnLine();
    const costs: number[] = [];
    const held: number[] = [];
    for (let known = 1; known <= 220; known++) {
      const right = line.layout.right;
      costs.push(line.show(known, right - 900, right + 900));
      held.push(line.held);
    }
    expect(costs[5]).toBe(1);
    expect(costs[200]).toBe(1);
    expect(Math.max(...costs)).toBe(1);
    expect(line.drawn).toEqual(Array.from({ length: 220 }, (_, i) => i));
    expect(Math.max(...held)).toBeLessThan(20);
  });

  it("draws nothing beyond what is seen", () => {
    const line = new DrawnLine();
    line.show(220, 0, 800);
    expect(line.layout.until).toBeLessThan(9);
    expect(line.show(220, 0, 800)).toBe(0);
  });

  it("begins where it is told to, and grows to both sides without moving what stands", () => {
    const line = new DrawnLine();
    line.show(220, -50, 300, 100);
    const before = line.layout.at(100)?.x;
    line.show(220, -500, 300, 100);
    expect(before).toBe(0);
    expect(line.layout.at(100)?.x).toBe(0);
    expect(line.layout.left).toBeLessThanOrEqual(-500);
    for (let i = line.layout.first; i + 1 < line.layout.until; i++) {
      const [bar, next] = [line.layout.at(i), line.layout.at(i + 1)];
      expect(next?.x).toBe((bar?.x ?? NaN) + (bar?.width ?? NaN));
    }
  });

  it("keeps the places of bars that have scrolled away, and draws them again when somebody scrolls back", () => {
    const line = new DrawnLine();
    line.show(30, 0, 800);
    const places = [0, 1, 2].map((i) => line.layout.at(i)?.x);
    for (let x = 0; x < 2400; x += 400) line.show(30, x, x + 800);
    expect(line.layout.at(0)?.drawing).toBe(null);
    line.show(30, 0, 800);
    expect(line.layout.at(0)?.drawing).toBe("bar 0");
    expect([0, 1, 2].map((i) => line.layout.at(i)?.x)).toEqual(places);
  });

  it("forgets bars that are replaced, and draws them again at the end of those before", () => {
    const line = new DrawnLine();
    line.show(8, 0, 2000);
    const right = line.layout.at(4)?.x;
    expect(line.layout.cut(4)).toEqual(["bar 4", "bar 5", "bar 6", "bar 7"]);
    expect(line.show(6, 0, 2000)).toBe(2);
    expect(line.layout.at(4)?.x).toBe(right);
  });
});
