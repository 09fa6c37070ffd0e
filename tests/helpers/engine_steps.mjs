// Composes steps with the page's engine in Node, and prints the header and all symbols as JSON.
// node engine_steps.mjs ENGINE MODEL FIELDS SEED STEPS TEMPERATURE TOP_P BARS
import fs from "node:fs";

const [engine, model, ...numbers] = process.argv.slice(2);
const [fields, seed, steps, temperature, topP, bars] = numbers.map(Number);
const file = fs.readFileSync(model);
const { instance } = await WebAssembly.instantiate(fs.readFileSync(engine), {});
const e = instance.exports;
const address = e.room(file.length);
new Uint8Array(e.memory.buffer).set(file, address);
if (!e.load(file.length)) {
  console.log("damaged");
} else {
  e.seed(seed, 0);
  const symbols = [e.draw_header()];
  e.begin(symbols[0], bars);
  for (let i = 0; i < steps && !e.finished(); i++) {
    e.compose(temperature, topP, 1);
    symbols.push(...new Uint16Array(e.memory.buffer, e.step_address(), fields));
  }
  console.log(JSON.stringify(symbols));
}
