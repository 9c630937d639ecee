// One or two sounds that run together: pressing the other one switches in the middle, at the same moment of both.

const SWITCH = 0.01; // seconds a switch takes, so that it does not click

let context;

export class Player {
  constructor(buffers, changed) {
    this.buffers = buffers;
    this.changed = changed; // called with which one is audible, -1 for none
    this.heard = buffers.map(() => false);
    this.sources = [];
    this.audible = -1;
  }

  static async of(files, changed) {
    context ??= new AudioContext();
    return new Player(await Promise.all(files.map((file) => context.decodeAudioData(file))), changed);
  }

  press(which) {
    if (this.audible === which) this.stop();
    else if (this.sources.length) this.switchTo(which);
    else this.start(which);
  }

  start(which) {
    context.resume();
    const at = context.currentTime + 0.05;
    this.sources = this.buffers.map((buffer, i) => {
      const source = new AudioBufferSourceNode(context, { buffer });
      const gain = new GainNode(context, { gain: i === which ? 1 : 0 });
      source.connect(gain).connect(context.destination);
      source.start(at);
      return { source, gain };
    });
    const { source } = this.sources[0];
    source.onended = () => this.sources[0]?.source === source && this.stop();
    this.mark(which);
  }

  switchTo(which) {
    this.sources.forEach(({ gain }, i) => gain.gain.setTargetAtTime(i === which ? 1 : 0, context.currentTime, SWITCH));
    this.mark(which);
  }

  stop() {
    const playing = this.sources;
    this.sources = [];
    for (const { source } of playing) source.stop();
    this.mark(-1);
  }

  mark(which) {
    this.audible = which;
    if (which >= 0) this.heard[which] = true;
    this.changed(which);
  }
}
