"""A plan, cut into tasks for workers, under an id that its content decides."""

from glacierctl.model import RESOLUTION_M, Plan, Task, content_id


def run_id(plan: Plan) -> str:
    """Such as `20240601-20240630-sentinel2-4f1d0c2ab9e3`: the same for the same request and acquisitions.

    The order in which regions are named and how the catalogue was asked do not count.
    """
    request = plan.request
    content = request.model_dump(mode="json")
    content["regions"] = sorted(content["regions"], key=lambda region: str(region["name"]))
    found = {name: [made.model_dump(mode="json") for made in acquisitions] for name, acquisitions in plan.acquisitions}
    days = f"{request.start:%Y%m%d}-{request.end:%Y%m%d}"
    return f"{days}-{request.satellite}-{content_id({'request': content, 'acquisitions': found})}"


def tasks(plan: Plan, store_url: str) -> tuple[Task, ...]:
    """One task for each region that has acquisitions, in the plan's order.

    Args:
        plan: what is to be done.
        store_url: the store that products and ledger go to.
    """
    run = run_id(plan)
    regions = {region.name: region for region in plan.request.regions}
    return tuple(
        Task(
            schema=1,
            run_id=run,
            store_url=store_url,
            satellite=plan.request.satellite,
            region=regions[name],
            resolution_m=RESOLUTION_M[plan.request.satellite],
            acquisitions=acquisitions,
            options=plan.request.options,
        )
        for name, acquisitions in plan.acquisitions
        if acquisitions
    )
