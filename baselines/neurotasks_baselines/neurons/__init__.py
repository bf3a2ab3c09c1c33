"""Recorded neurons and LSTM units, analysed in the same way.

For whoever lays a network's units next to an animal's neurons; dopamine neurons as a distributional
code are in `dopamine`. One way through the modules: `recording` holds activity in one array,
whatever it comes from; `monkeys` and `files` read it, `lstm_units` takes it from agents;
`regressors` says what each trial was like; `encoding` regresses, with the nulls of `nulls`;
`population` and `optimism` ask about many neurons at once; `analysis` does all of it.
"""
