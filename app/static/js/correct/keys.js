// The keys of the editor. Those of the zoom (+ - 0, Shift and the arrows) stay what they are.

const TYPED_INTO = "select, textarea, input:not([type=checkbox], [type=range])";
const STEP_PX = 6; // Of an arrow key, on the screen: finer where the photo is enlarged.
const BRUSH_STEP = 1.25;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const TOOLS = { v: "move", b: "box", m: "brush", e: "erase", o: "points" };
const NEW_BOX = 0.25; // Of what is seen, on each side of its middle.

/**
 * @param {import("./editor.js").Editor} editor
 * @param {import("./tools.js").Tools} tools
 * @param {import("./surface.js").Surface} surface
 * @param {import("./panel.js").Panel} panel
 * @param {() => void} onNext  called when nothing is missing
 */
export function listen(editor, tools, surface, panel, onNext) {
  const actions = {
    n: () => editor.step(1),
    p: () => editor.step(-1),
    a: () => editor.accept(),
    d: () => editor.remove(),
    c: () => panel.focusName(),
    Delete: () => (tools.chosenPoint ? tools.removePoint() : editor.remove()),
    Backspace: () => (tools.chosenPoint ? tools.removePoint() : editor.remove()),
    Escape: () => (tools.tool === "move" ? editor.select(null) : setTool("move")),
    Enter: () => (tools.tool === "box" ? drawInMiddle() : onNext()),
    ",": () => tools.stepPoint(-1),
    ".": () => tools.stepPoint(1),
    "[": () => setSize(1 / BRUSH_STEP),
    "]": () => setSize(BRUSH_STEP),
  };

  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (target.closest(TYPED_INTO) || event.altKey) return;
    const done = event.ctrlKey || event.metaKey ? withControl(event) : plain(event);
    if (done) event.preventDefault();
    if (done && ["n", "p", "a", "d"].includes(key)) revealSelected();
  });

  function plain({ key, shiftKey, target }) {
    if (key === "Enter" && target.closest("button, a, summary")) return false;
    if (ARROWS[key]) return !shiftKey && !target.closest("input") && byArrow(ARROWS[key]);
    const name = key.length === 1 ? key.toLowerCase() : key;
    if (TOOLS[name]) setTool(TOOLS[name]);
    else if (/^[1-9]$/.test(key)) give(Number(key));
    else if (actions[name]) actions[name]();
    else return false;
    return true;
  }

  function withControl({ key, shiftKey }) {
    const name = key.toLowerCase();
    if (ARROWS[key]) return growBy(ARROWS[key]);
    if (name === "z" && !shiftKey) editor.undo();
    else if (name === "y" || (name === "z" && shiftKey)) editor.redo();
    else return false;
    return true;
  }

  function byArrow(direction) {
    if (!editor.selected) return false;
    const by = direction.map((way) => way * step());
    if (tools.chosenPoint) tools.movePoint(...by);
    else editor.move(...by);
    return true;
  }

  /** Moves the right and the lower side. */
  function growBy([dx, dy]) {
    if (!editor.selected) return false;
    const { box } = editor.selected;
    const [x2, y2] = [box[2] + dx * step(), box[3] + dy * step()];
    editor.resize([
      box[0],
      box[1],
      Math.min(Math.max(x2, box[0] + 1), editor.size[0]),
      Math.min(Math.max(y2, box[1] + 1), editor.size[1]),
    ]);
    return true;
  }

  const step = () => Math.max(1, Math.round(STEP_PX / surface.viewport.scale));

  function give(number) {
    const name = editor.recent[number - 1];
    if (name && editor.selected) editor.rename(name);
  }

  function drawInMiddle() {
    const [x1, y1, x2, y2] = surface.viewport.seen;
    const [dx, dy] = [(x2 - x1) * NEW_BOX, (y2 - y1) * NEW_BOX];
    editor.draw([x1 + dx, y1 + dy, x2 - dx, y2 - dy].map(Math.round));
    setTool("move");
  }

  function setTool(name) {
    tools.tool = name;
  }

  function setSize(factor) {
    tools.size = factor > 1 ? Math.ceil(tools.size * factor) : Math.floor(tools.size * factor);
  }

  function revealSelected() {
    if (editor.selected) surface.zoom.reveal(editor.selected.box);
  }
}
