"""Data sets: photos with their truth. For administrators."""

from typing import Any

from flask import Response

from app.errors import BadRequest
from app.store.data_sets import Summary
from app.web.api import schemas
from app.web.api.blueprint import api, describe, describe_file, json_response
from app.web.common import data_sets, inputs
from app.web.common.keys import check_admin
from app.web.common.services import services

FILES = {
    "requestBody": {
        "required": True,
        "content": {
            "application/zip": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                    "required": ["file"],
                }
            },
        },
    }
}


@api.post(
    "/datasets",
    operation_id="createDataSet",
    summary="Make a data set",
    responses=describe(403, s201=schemas.DataSetOut),
)
def create_data_set(body: inputs.DataSetNew) -> Response:
    """An empty data set. Needs ADMIN_KEY as its key, like everything about data sets."""
    check_admin()
    name = " ".join(body.name.split())
    if not name:
        raise BadRequest("A data set needs a name.")
    store = services().store.data_sets
    data_set = store.create(name, share=body.share, seed=body.seed)
    return json_response(_json(store.summary(data_set.id)), 201)


@api.get(
    "/datasets",
    operation_id="listDataSets",
    summary="List the data sets",
    responses=describe(403, s200=schemas.DataSetList),
)
def list_data_sets() -> Response:
    """Every data set with its counts, newest first."""
    check_admin()
    return json_response({"datasets": [_json(summary) for summary in services().store.data_sets.summaries()]})


@api.get(
    "/datasets/<data_set_id>",
    operation_id="getDataSet",
    summary="Get a data set",
    responses=describe(403, 404, s200=schemas.DataSetOut),
)
def get_data_set(path: inputs.DataSetPath) -> Response:
    """A data set with its counts by class."""
    check_admin()
    return json_response(_json(services().store.data_sets.summary(path.data_set_id)))


@api.delete(
    "/datasets/<data_set_id>",
    operation_id="deleteDataSet",
    summary="Delete a data set",
    responses=describe(403, 404, s204={"description": "The data set is deleted."}),
)
def delete_data_set(path: inputs.DataSetPath) -> Response:
    """Delete a data set, with its photos where neither a run nor another data set uses them."""
    check_admin()
    services().store.data_sets.delete(path.data_set_id)
    return Response(status=204)


@api.post(
    "/datasets/<data_set_id>/photos",
    operation_id="addLabelledPhotos",
    summary="Add labelled photos",
    responses=describe(403, 404, 408, 411, 413, s200=schemas.AdditionOut),
    openapi_extensions=FILES,
)
def add_labelled_photos(path: inputs.DataSetPath) -> Response:
    """Add a ZIP, or the files of a folder, in the form of COCO, YOLO, Pascal VOC, LabelMe, Label Studio or CVAT.

    A photo that is there already gets the new labels. What cannot be used is left out and named.
    """
    check_admin()
    return json_response(vars(data_sets.add_files(path.data_set_id)))


@api.post(
    "/datasets/<data_set_id>/runs",
    operation_id="addRuns",
    summary="Add corrected photos",
    responses=describe(403, 404, s200=schemas.AdditionOut),
)
def add_runs(path: inputs.DataSetPath, body: inputs.DataSetRuns) -> Response:
    """Add the photos of runs and batches that were marked as checked, as they were corrected; others are named."""
    check_admin()
    store = services().store
    runs = [*store.data_sets.checked_runs()] if body.all else []
    for batch_id in body.batches:
        store.get_batch(batch_id)
        runs += store.batch_runs(batch_id)
    runs += [store.get_run(run_id) for run_id in body.runs]
    return json_response(vars(data_sets.add_runs(path.data_set_id, runs)))


@api.post(
    "/datasets/<data_set_id>/classes",
    operation_id="changeClass",
    summary="Rename, merge or remove a class",
    responses=describe(403, 404, s200=schemas.DataSetOut),
)
def change_class(path: inputs.DataSetPath, body: inputs.ClassChange) -> Response:
    """Change a class in all photos of a data set."""
    check_admin()
    store = services().store.data_sets
    if body.name is None:
        store.remove_class(path.data_set_id, body.class_name)
    else:
        store.rename_class(path.data_set_id, body.class_name, data_sets.checked_class(body.name))
    return json_response(_json(store.summary(path.data_set_id)))


@api.get(
    "/datasets/<data_set_id>/export",
    operation_id="exportDataSet",
    summary="Export a data set",
    responses=describe(403, 404, s200=describe_file("The ZIP.", "application/zip")),
)
def export_data_set(path: inputs.DataSetPath, query: inputs.DataSetExportQuery) -> Response:
    """The photos and their labels as one ZIP in a tool's form, training and validation apart."""
    check_admin()
    return data_sets.export_response(path.data_set_id, query.format)


def _json(summary: Summary) -> dict[str, Any]:
    data_set = summary.data_set
    return {
        "id": data_set.id,
        "name": data_set.name,
        "created_at": data_set.created_at.isoformat(),
        "share": data_set.share,
        "seed": data_set.seed,
        "photos": summary.photos,
        "train": summary.train,
        "validation": summary.validation,
        "objects": summary.objects,
        "classes": [vars(each) for each in summary.classes],
    }
