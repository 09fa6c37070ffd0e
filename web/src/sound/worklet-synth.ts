/* A synthesiser in an AudioWorklet. It renders on the browser's audio thread, so a busy main thread causes no gaps. */

import { EXPRESSION, type EmptySynth } from "./synth";
import { PROCESSOR_NAME, type FromProcessor, type ToProcessor } from "./worklet-messages";
import processor from "./worklet-processor.ts?worker&url";

interface Waiting {
  readonly added: () => void;
  readonly failed: (reason: Error) => void;
}

export class WorkletSynth implements EmptySynth {
  readonly renderer = "AudioWorklet";
  private readonly waiting = new Map<string, Waiting>(); // for a part to be added

  private constructor(private readonly port: MessagePort) {
    port.onmessage = ({ data }: MessageEvent<FromProcessor>) => this.receive(data);
  }

  static async create(context: AudioContext, output: AudioNode): Promise<WorkletSynth> {
    await context.audioWorklet.addModule(new URL(processor, document.baseURI));
    const node = new AudioWorkletNode(context, PROCESSOR_NAME, { numberOfInputs: 0, outputChannelCount: [2] });
    node.connect(output);
    return new WorkletSynth(node.port);
  }

  addPart(name: string, soundFont: ArrayBuffer): Promise<void> {
    return new Promise((added, failed) => {
      this.waiting.set(name, { added, failed });
      this.post({ type: "part", name, soundFont }, [soundFont]);
    });
  }

  noteOn(channel: number, pitch: number, velocity: number, time: number): void {
    this.send([0x90 | channel, pitch, velocity], time);
  }

  noteOff(channel: number, pitch: number, time: number): void {
    this.send([0x80 | channel, pitch, 0], time);
  }

  programChange(channel: number, program: number, time: number): void {
    this.send([0xc0 | channel, program], time);
  }

  setMuted(channel: number, muted: boolean): void {
    this.send([0xb0 | channel, EXPRESSION, muted ? 0 : 127], 0);
  }

  silence(): void {
    this.post({ type: "silence" });
  }

  renderAhead(): void {
    // The audio thread does this by itself.
  }

  private send(message: number[], time: number): void {
    this.post({ type: "midi", message, time });
  }

  private post(message: ToProcessor, transfer: Transferable[] = []): void {
    this.port.postMessage(message, transfer);
  }

  private receive({ name, error }: FromProcessor): void {
    const waiting = this.waiting.get(name);
    this.waiting.delete(name);
    if (error === null) waiting?.added();
    else waiting?.failed(new Error(error));
  }
}
