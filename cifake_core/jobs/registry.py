"""Which steps can run as jobs: kind → where its dataclass lives. Imported only when one is needed, so nothing heavy loads early."""

from importlib import import_module

from cifake_core.errors import BadInput
from cifake_core.step import Step

KINDS: dict[str, str] = {
    "import": "cifake_core.images.importing:ImportImages",
    "render-demo": "cifake_core.generators.demo_set:RenderDemo",
    "generate": "cifake_core.generators.generating:Generate",
    "estimate": "cifake_core.generators.errands:EstimateTime",
    "keep-done": "cifake_core.generators.errands:KeepDone",
    "regenerate": "cifake_core.generators.errands:Remake",
    "discard": "cifake_core.images.discarding:Discard",
    "export": "cifake_core.images.exporting:Export",
    "train-generator": "cifake_core.generators.latent_diffusion:TrainGenerator",
    "generator-quality": "cifake_core.evaluation.quality.measuring:MeasureGenerators",
    "zoo": "cifake_core.generators.zoo:BuildZoo",
    "freeze-catalogue": "cifake_core.generators.hub.listing:FreezeCatalogue",
    "sample-catalogue": "cifake_core.generators.hub.sampling:SampleCatalogue",
    "combine": "cifake_core.images.combining:CombineSets",
    "train": "cifake_core.detectors.grid:TrainGrid",
    "estimate-training": "cifake_core.detectors.estimating:EstimateTraining",
    "add-detector": "cifake_core.detectors.community_forensics.adding:AddDetector",
    "judge-set": "cifake_core.detectors.community_forensics.adding:JudgeSet",
    "train-forensics": "cifake_core.detectors.community_forensics.training:TrainForensics",
    "explain": "cifake_core.explanations.explaining:ExplainSplit",
    "trust": "cifake_core.explanations.trust:Trust",
    "entity-test": "cifake_core.explanations.entity:EntityTest",
    "findings": "cifake_core.explanations.findings:Findings",
    "index-features": "cifake_core.explanations.features:IndexFeatures",
    "plant": "cifake_core.explanations.planting:PlantArtefacts",
    "audit": "cifake_core.evaluation.audit.auditing:AuditImages",
    "robustness": "cifake_core.evaluation.robustness:Robustness",
    "embed": "cifake_core.explanations.embedding:Embed",
    "study-transfer": "cifake_core.studies.unseen.transfer:StudyTransfer",
    "study-matrix": "cifake_core.studies.unseen.matrix:StudyMatrix",
    "study-leave-one-out": "cifake_core.studies.unseen.matrix:StudyLeaveOneOut",
    "study-scaling": "cifake_core.studies.unseen.scaling:StudyScaling",
    "study-codec": "cifake_core.studies.unseen.codec:StudyCodec",
    "study-recipe": "cifake_core.studies.unseen.recipe:StudyRecipe",
    "demo": "cifake_core.studies.demo:Demo",
    "rehearsal": "cifake_core.jobs.rehearsal:Rehearsal",  # the engine's self-test
}


def step(kind: str, arguments: dict) -> Step:
    """The step of that kind with those arguments; raises BadInput for an unknown kind or argument."""
    if kind not in KINDS:
        raise BadInput(f"There is no job of kind {kind!r}; known are {', '.join(KINDS)}.")
    module, name = KINDS[kind].split(":")
    try:
        return getattr(import_module(module), name)(**arguments)
    except TypeError as error:
        raise BadInput(f"A {kind} job cannot take these settings ({error}).") from error
