"""How long the app takes to answer a click or a key, watched from inside the page so that the watching costs nothing."""

REST = "document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"


def timed(page, act, done: str) -> float:
    """Milliseconds from the key or click until the app rests and `done` holds: looked at every 10 ms in the page itself.

    Where `done` held before, the app must have been seen running; a quick run may never be.
    """
    page.evaluate("() => new Promise(done => requestIdleCallback(() => setTimeout(() => requestIdleCallback(done), 150)))")
    page.evaluate(
        f"""() => {{
          const watch = {{ began: null, ran: !({done}), ended: null }}, app = document.querySelector("[data-testid=stApp]")
          for (const kind of ["keydown", "click"])
            addEventListener(kind, () => (watch.began ??= performance.now()), {{ capture: true, once: true }})
          new MutationObserver(() => (watch.ran = true)).observe(app, {{ attributes: true, attributeFilter: ["data-test-script-state"] }})
          const looking = setInterval(() => {{
            if (!watch.ran || !({REST}) || !({done})) return
            clearInterval(looking)
            watch.ended = performance.now()
          }}, 10)
          window.watch = watch
        }}"""
    )
    act()
    return page.wait_for_function("() => window.watch.ended && window.watch.ended - window.watch.began", polling=50).json_value()
