"""Dopamine neurons as a distributional code (Dabney et al. 2020), simulated, learned or recorded.

One way through the modules: `neurons` learn values and fire; `responses` holds their single-trial
responses in one array, whatever they come from; `recordings` reads them from files of real neurons;
`estimators`, `statistics` and `decoding` analyse them; `populations` does so for many simulated
populations, `measures` and `analysis` for the user's neurons.
"""
