"""Signs of mathematics and the TeX that writes them."""

from __future__ import annotations

from classifiers.blocks.html.names import listed


def _pairs(words: str) -> dict[str, str]:
    found = listed(words)
    return dict(zip(found[::2], found[1::2], strict=True))


_GREEK = _pairs(
    "α alpha β beta γ gamma δ delta ε varepsilon ζ zeta η eta θ theta ι iota κ kappa λ lambda μ mu ν nu ξ xi π pi "
    "ρ rho σ sigma τ tau υ upsilon φ varphi χ chi ψ psi ω omega Γ Gamma Δ Delta Θ Theta Λ Lambda Ξ Xi Π Pi Σ Sigma "
    "Υ Upsilon Φ Phi Ψ Psi Ω Omega ϵ epsilon ϕ phi ϑ vartheta ϱ varrho ϖ varpi ς varsigma"
)
_SIGNS = _pairs(
    r"≤ \le ≥ \ge ≠ \ne × \times ⋅ \cdot · \cdot ÷ \div ± \pm ∓ \mp ∞ \infty ∑ \sum ∏ \prod ∫ \int ∮ \oint ∂ \partial "
    r"∇ \nabla ∈ \in ∉ \notin ⊂ \subset ⊆ \subseteq ∪ \cup ∩ \cap ⋃ \bigcup ⋂ \bigcap ∅ \emptyset ∀ \forall ∃ \exists "
    r"¬ \neg ∧ \wedge ∨ \vee → \to ← \leftarrow ↔ \leftrightarrow ⇒ \Rightarrow ⇐ \Leftarrow ⇔ \Leftrightarrow "
    r"↦ \mapsto ≈ \approx ≡ \equiv ∼ \sim ≅ \cong ∝ \propto ≪ \ll ≫ \gg … \dots ⋯ \cdots ⋮ \vdots ⋱ \ddots ⊕ \oplus "
    r"⊗ \otimes ∘ \circ † \dagger ⟨ \langle ⟩ \rangle ‖ \| ∥ \parallel ⊥ \perp ∣ \mid ′ ' ″ '' − - ∗ * ℏ \hbar ℓ \ell "
    r"ℝ \mathbb{R} ℂ \mathbb{C} ℕ \mathbb{N} ℤ \mathbb{Z} ℚ \mathbb{Q} ⌊ \lfloor ⌋ \rfloor ⌈ \lceil ⌉ \rceil "
    r"{ \{ } \} % \% # \# & \& $ \$ _ \_"
)
_SPACES = dict.fromkeys("\u00a0\u2009\u2003\u200a\u205f", " ") | dict.fromkeys("\u2061\u2062\u2063\u2064\u200b", "")
TEX = {**_SIGNS, **_SPACES, **{letter: "\\" + name for letter, name in _GREEK.items()}}
ACCENTS = _pairs(
    r"¯ \bar ‾ \overline ^ \hat ˆ \hat ~ \tilde ˜ \tilde → \vec ⃗ \vec ˙ \dot ¨ \ddot ⏞ \overbrace ⏟ \underbrace _ "
    r"\underline ˇ \check ´ \acute ` \grave"
)
FUNCTIONS = frozenset(
    listed(
        "sin cos tan cot sec csc sinh cosh tanh arcsin arccos arctan log ln exp lim max min sup inf det dim ker gcd "
        "arg deg Pr limsup liminf"
    )
)
LIMITS = frozenset(listed(r"\sum \prod \lim \max \min \sup \inf \int \bigcup \bigcap"))
VARIANTS = _pairs(
    "double-struck mathbb bold mathbf script mathcal fraktur mathfrak sans-serif mathsf monospace mathtt "
    "bold-italic boldsymbol"
)
