// A view that is dimmed while its widget is ``stale``. The classes of the model come too late for this: anywidget ends
// what the view of ipywidgets listens to, so that only those from before the drawing are seen.

function dimmed(render) {
  return (context) => {
    const { model, el } = context;
    const dim = () => el.classList.toggle("wb-stale", model.get("stale"));
    const end = render(context);
    dim();
    model.on("change:stale", dim);
    return () => {
      model.off("change:stale", dim);
      end?.();
    };
  };
}
