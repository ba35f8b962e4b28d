"""A plan, cut into tasks for workers, under an id that its content decides."""

from glacierctl.choices import Service
from glacierctl.model import RESOLUTION_M, Acquisition, Plan, Region, Task, content_id


def run_id(plan: Plan, *, service: Service = Service.LOCAL, again: int = 0, maker: str = "") -> str:
    """Such as `20240601-20240630-sentinel2-4f1d0c2ab9e3`: the same for the same request and acquisitions.

    The order in which regions are named and how the catalogue was asked do not count.

    Args:
        plan: all that was found.
        service: who does the work: what was first tried on one's own machine is another run on Lambda.
        again: which repetition of the plan it is, once products of it were removed.
        maker: who makes everything anew, where products are overwritten: another maker's are other products.
    """
    request = plan.request
    content = request.model_dump(mode="json")
    content["regions"] = sorted(content["regions"], key=lambda region: str(region["name"]))
    found = {name: [made.model_dump(mode="json") for made in acquisitions] for name, acquisitions in plan.acquisitions}
    days = f"{request.start:%Y%m%d}-{request.end:%Y%m%d}"
    more = {name: value for name, value in (("again", again), ("maker", maker)) if value}
    more |= {"service": str(service)} if service is not Service.LOCAL else {}
    return f"{days}-{request.satellite}-{content_id({'request': content, 'acquisitions': found, **more})}"


def tasks(plan: Plan, store_url: str, *, maker: str = "") -> tuple[Task, ...]:
    """One task for each region that has acquisitions, in the plan's order.

    Args:
        plan: what is to be done.
        store_url: the store that products and ledger go to.
        maker: see `run_id`.
    """
    run = run_id(plan, maker=maker)
    regions = {region.name: region for region in plan.request.regions}
    return tuple(
        new_task(plan, run, regions[name], acquisitions, store_url)
        for name, acquisitions in plan.acquisitions
        if acquisitions
    )


def new_task(plan: Plan, run: str, region: Region, acquisitions: tuple[Acquisition, ...], store_url: str) -> Task:
    """The task of these acquisitions of one region of a plan."""
    return Task(
        schema=1,
        run_id=run,
        store_url=store_url,
        satellite=plan.request.satellite,
        region=region,
        resolution_m=RESOLUTION_M[plan.request.satellite],
        acquisitions=acquisitions,
        options=plan.request.options,
    )
