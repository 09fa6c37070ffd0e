/* Which voices are heard. A voice is silent if it is muted, or if others play solo. Voices are known by their labels, so that
   the choice lasts over pieces. */

export class VoiceMix {
  private readonly muted = new Set<string>();
  private readonly solos = new Set<string>();

  isMuted(label: string): boolean {
    return this.muted.has(label);
  }

  isSolo(label: string): boolean {
    return this.solos.has(label);
  }

  /** Whether a voice of a piece is heard. A solo of a voice that the piece does not have silences nothing. */
  hears(label: string, labels: readonly string[]): boolean {
    const solo = labels.some((other) => this.solos.has(other));
    return solo ? this.solos.has(label) : !this.muted.has(label);
  }

  toggleMute(label: string): void {
    if (!this.muted.delete(label)) this.muted.add(label);
  }

  toggleSolo(label: string): void {
    if (!this.solos.delete(label)) this.solos.add(label);
  }
}
