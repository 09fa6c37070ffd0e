"""N-grams: the baseline of every network, and what plays beside a network that learnt from few pieces. numpy only."""
