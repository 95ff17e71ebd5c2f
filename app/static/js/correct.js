// Turns the page of a correction into an editor. Where its state does not come, the list works as without scripts.

import { announce } from "./announce.js";
import { Editor } from "./correct/editor.js";
import { Keeper } from "./correct/keep.js";
import { listen } from "./correct/keys.js";
import { Panel } from "./correct/panel.js";
import { Surface } from "./correct/surface.js";
import { Tools } from "./correct/tools.js";
import { byId } from "./dom.js";
import { fetchJson } from "./fetch.js";

const RECENT = "classes given last"; // In the session's storage, from photo to photo.
const WORDS = {
  keeping: "Keeping this …",
  kept: "Kept.",
  waiting: "Not kept yet: the connection is lost. Trying again …",
  outdated:
    "This photo was corrected meanwhile, in another tab or by somebody else. Reload the page to go on from there.",
};

const stage = byId("stage");
const state = await fetchJson(stage.dataset.state);
if (state) start(state);

function start({ version, ...found }) {
  const { photo, plain, page, next } = stage.dataset;
  byId("photo").src = plain;
  const size = photo.split(" ").map(Number);
  const editor = new Editor(found, size, JSON.parse(sessionStorage.getItem(RECENT) ?? "[]"));
  const surface = new Surface(stage, editor);
  const tools = new Tools(
    surface,
    editor,
    () => panel.update(),
    ({ pointerType }) => pointerType === "mouse" && panel.focusName(),
  );
  const token = byId("choices").elements.csrf_token.value;
  const keeper = new Keeper(stage.dataset.state, token, size, version, onState);
  const panel = new Panel(byId("side"), editor, tools, end);

  editor.addEventListener("change", () => {
    keeper.keep(editor.things);
    sessionStorage.setItem(RECENT, JSON.stringify(editor.recent));
    tell();
  });
  editor.addEventListener("select", tell);
  listen(editor, tools, surface, panel, () => end(true));

  function onState(name, answer) {
    panel.say(WORDS[name]);
    if (answer) editor.colours = answer.colours;
  }

  async function end(toNext) {
    if (await keeper.keep(editor.things, true)) location.assign(toNext ? next : page);
  }

  function tell() {
    const { selected, things } = editor;
    if (selected) announce(`${selected.name}, ${things.indexOf(selected) + 1} of ${things.length}`);
  }
}
