/** From times to places on a line on which stretches without any work are short. */

export interface Span {
  from: number;
  to: number;
}

/** Of all the work, so much of the line a stretch without any takes at most. */
const IDLE = 0.04;

interface Piece extends Span {
  /** Where it begins on the line, from 0 to 1, and how far it goes. */
  place: number;
  share: number;
  busy: boolean;
}

export class Scale {
  private readonly pieces: Piece[];

  constructor(spans: Span[]) {
    const busy = merged(spans);
    const work = Math.max(1e-3, sum(busy));
    const parts = busy.flatMap((span, place) => {
      const next = busy[place + 1];
      const idle = next ? [{ from: span.to, to: next.from, busy: false }] : [];
      return [{ ...span, busy: true }, ...idle];
    });
    const size = (part: Span & { busy: boolean }): number =>
      part.busy ? Math.max(part.to - part.from, work / 500) : Math.min(part.to - part.from, IDLE * work);
    const whole = parts.reduce((total, part) => total + size(part), 0) || 1;
    let place = 0;
    this.pieces = parts.map(part => {
      const piece = { ...part, place, share: size(part) / whole };
      place += piece.share;
      return piece;
    });
  }

  /** From 0 to 1. */
  at(time: number): number {
    const piece = this.pieces.find(({ to }) => time <= to) ?? this.pieces[this.pieces.length - 1];
    if (!piece) {
      return 0;
    }
    const part = (time - piece.from) / Math.max(1e-9, piece.to - piece.from);
    return piece.place + piece.share * Math.max(0, Math.min(1, part));
  }

  /** When work began, each time, and where that is on the line. */
  get beginnings(): { time: number; place: number }[] {
    return this.pieces.filter(({ busy }) => busy).map(({ from, place }) => ({ time: from, place }));
  }
}

function merged(spans: Span[]): Span[] {
  const found: Span[] = [];
  for (const span of [...spans].sort((a, b) => a.from - b.from)) {
    const last = found[found.length - 1];
    if (last && span.from <= last.to) {
      last.to = Math.max(last.to, span.to);
    } else {
      found.push({ ...span });
    }
  }
  return found;
}

function sum(spans: Span[]): number {
  return spans.reduce((total, { from, to }) => total + to - from, 0);
}
