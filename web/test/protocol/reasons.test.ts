import { describe, expect, it } from "vitest";
import { refusalReason, sentence } from "../../src/protocol/reasons";

describe("refusalReason", () => {
  it("is the reason of the server, as a sentence", async () => {
    const response = Response.json({ type: "error", reason: "the tune has no notes; enter some" }, { status: 400 });
    expect(await refusalReason(response)).toBe("The tune has no notes; enter some.");
  });

  it.each([
    ["<html>Bad gateway</html>"],
    ["null"],
    ['"error"'],
    ["[]"],
    ['{"type": "error"}'],
    ['{"type": "error", "reason": ""}'],
    ['{"type": "error", "reason": 5}'],
    [""],
  ])("is the status if %s was answered, as by a proxy", async (body) => {
    const response = new Response(body, { status: 502 });
    expect(await refusalReason(response)).toBe("The server answered with an error (HTTP 502).");
  });
});

describe("sentence", () => {
  it("has a capital letter, and ends once", () => {
    expect(sentence("enter some")).toBe("Enter some.");
    expect(sentence("Enter some!")).toBe("Enter some!");
    expect(sentence("é missing.")).toBe("É missing.");
  });
});
