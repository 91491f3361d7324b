// In place of MathJax, which kaleido would fetch from the network.
