module dormouse/examples/secrets

go 1.19
