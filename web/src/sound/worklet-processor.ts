/* The audio thread's end of the synthesiser. Built as a file of its own, which the page loads into an AudioWorklet. */

import { PartSynth } from "./part-synth";
import { PROCESSOR_NAME, type FromProcessor, type ToProcessor } from "./worklet-messages";

// What the scope of an AudioWorklet has, and TypeScript's library does not declare.
declare const sampleRate: number;
declare const currentTime: number;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

class SynthProcessor extends AudioWorkletProcessor {
  private readonly synth = new PartSynth(sampleRate);

  constructor() {
    super();
    this.port.onmessage = ({ data }: MessageEvent<ToProcessor>) => this.receive(data);
  }

  process(_: Float32Array[][], [output]: Float32Array[][]): boolean {
    const [left, right] = output ?? [];
    if (left && right) this.synth.render(left, right, 0, currentTime);
    return true;
  }

  private receive(data: ToProcessor): void {
    if (data.type === "midi") this.synth.send(data.message, data.time);
    else if (data.type === "silence") this.synth.silence();
    else {
      this.synth.addPart(data.name, data.soundFont).then(
        () => this.reply({ name: data.name, error: null }),
        (error: unknown) => this.reply({ name: data.name, error: String(error) }),
      );
    }
  }

  private reply(message: FromProcessor): void {
    this.port.postMessage(message);
  }
}

registerProcessor(PROCESSOR_NAME, SynthProcessor);
