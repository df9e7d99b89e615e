/** What a person chose in the settings editor; the defaults where there is no registry. */

import type { ISettingRegistry } from "@jupyterlab/settingregistry";
import { type ISignal, Signal } from "@lumino/signaling";

export class Settings {
  restoreOnOpen = false;
  showBadges = true;
  readonly ready: Promise<void>;
  private readonly signal = new Signal<this, undefined>(this);

  constructor(id: string, registry: ISettingRegistry | null) {
    this.ready = registry
      ? registry.load(id).then(found => {
          this.follow(found);
        }, complain)
      : Promise.resolve();
  }

  get changed(): ISignal<this, undefined> {
    return this.signal;
  }

  private follow(found: ISettingRegistry.ISettings): void {
    const read = (): void => {
      this.restoreOnOpen = found.get("restoreOnOpen").composite === true;
      this.showBadges = found.get("showBadges").composite !== false;
      this.signal.emit(undefined);
    };
    found.changed.connect(read);
    read();
  }
}

function complain(error: unknown): void {
  console.warn("Milepost: its settings cannot be read, so the defaults apply", error);
}
