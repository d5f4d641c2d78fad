"""Every property holds in the hardware as it is, and fails in the mutant that is named beside it."""

from pathlib import Path

import arithmetic_proofs
import pytest
import sequencer_proofs
import transfer_proofs
from prover import holds, mutated

PROOFS = [*sequencer_proofs.PROOFS, *transfer_proofs.PROOFS, *arithmetic_proofs.PROOFS]


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.name)
def test_a_property_is_proved(proof):
    assert holds(proof)


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.name)
def test_a_property_fails_in_its_mutant(proof):
    with mutated(proof.mutant):
        assert not holds(proof)


def test_every_proof_is_in_the_table_of_the_manual():
    table = (Path(__file__).parents[2] / "docs" / "04_developer" / "proofs.md").read_text("utf-8")
    assert [proof.name for proof in PROOFS if f"`{proof.name}`" not in table] == []
