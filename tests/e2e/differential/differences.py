"""Where a graph is treated otherwise than by LangGraph alone, and why; docs/compatibility.md."""

# what differs -> why it does
DIFFERENCES: tuple[tuple[str, str], ...] = (
    (
        "`durability` is accepted, and every run is as durable as `sync`: history has every step.",
        "`async` and `exit` do things twice, or lose them, when the process dies.",
    ),
    (
        "New input, or `None`, on a thread whose question is open waits until it is answered;"
        " `multitask_strategy` `reject` refuses it, `interrupt` and `rollback` withdraw the"
        " question.",
        "LangGraph drops the question without a word.",
    ),
    (
        "`Command(resume=…)` without an id answers the one question that is open; a wrong, second"
        " or stale answer, or one where nothing asks, is refused (409) before the graph hears of"
        " it. `resume={}` is refused.",
        "LangGraph gives a bare answer to whatever asks next: after a crash, that is another"
        " question.",
    ),
    (
        "An answer that does not fit the `response_schema` is refused (422) and the question stays"
        " open; text becomes a number where the schema asks for one.",
        "LangGraph checks classes only, in the run; for a JSON Schema nobody would.",
    ),
    (
        "`resume` together with `update` or `goto` is refused (409).",
        "What a person approved is what was shown; a change beside the answer nobody saw.",
    ),
    (
        "`update_state` withdraws the questions that are open, and is refused (409) as a node that"
        " asks people.",
        "It would speak for them, without their names in the log.",
    ),
    (
        "`values` and `updates` of a stream, like the answer of a run, hold what is in the graph's"
        " output schema: `astream(output_keys=graph.output_channels)`.",
        "The Agent Server does so too; what a graph keeps to itself does not reach its clients."
        " The thread's state has everything.",
    ),
    (
        "A state that cannot be computed (two nodes wrote one value, a reducer raised) is shown as"
        " it was before that step, with the step's tasks.",
        "LangGraph raises the same error again to whoever reads the state.",
    ),
    (
        "A node that calls `sys.exit()` fails its run with `GraphExitError`.",
        "In a program of its own it ends the program, and with it the runs of everybody.",
    ),
    (
        "An input that is no object, for a graph whose state is one, is refused (422) when it is"
        " sent; NaN, integers over 64 bits, and values that are too deep or too large are refused"
        " with a pointer to them; NUL and half surrogate pairs become U+FFFD.",
        "Postgres cannot keep them: the run would fail later, with less to go by.",
    ),
    (
        "A caller who signs in may send the user's messages only, unless the project lets it write"
        " all roles.",
        "LangGraph takes any role: a caller could speak for the model or for a tool.",
    ),
    (
        "Classes come back from a checkpoint if the state's schema names them; others only if"
        " `checkpointer.serde` in langgraph.json allows them.",
        "`LANGGRAPH_STRICT_MSGPACK` is on: a row of a database must not be able to run code.",
    ),
    (
        "Metadata of checkpoints, tasks and messages names the run, the assistant and the graph; a"
        " `debug` event of a checkpoint has its address and its parent's.",
        "The Agent Server does so too; Studio forks from there.",
    ),
)

# What RemoteGraph itself leaves out, whichever server it talks to -> scripts that need it
REMOTE_LIMITS: dict[str, tuple[str, ...]] = {
    "it starts a run from the head: it does not send the checkpoint it is given": (
        "an_old_checkpoint_is_replayed",
        "a_thread_is_forked_by_an_input",
        "a_question_is_asked_again_from_before_it",
        "channels_of_every_kind",
    ),
    "`invoke` returns the last event, which tells one of several questions": (
        "each_call_is_approved_on_its_own",
        "questions_of_tools_are_answered_one_by_one",
        "parallel_questions_are_answered_one_by_one",
        "sends_ask_and_are_answered_in_two_turns",
        "two_children_ask_at_once",
        "children_are_sent_and_ask",
        "parallel_nodes_ask_twice_each",
    ),
    "it cannot encode a `Send`": ("a_client_says_where_to_go",),
}
