"""A sweep on MPI processes (docs/clusters.md): mpiexec -n 9 python -m mpi4py.futures sweep_mpi.py DESIGN.toml DIR."""

import sys

import kretslopp as kr


def main(arguments: list[str]) -> None:
    """Run a design in a folder: the first process hands out shards, the others run them."""
    if len(arguments) != 2:
        sys.exit("usage: mpiexec -n 9 python -m mpi4py.futures sweep_mpi.py DESIGN.toml DIR")
    from mpi4py.futures import MPIPoolExecutor

    design = kr.load_design(arguments[0])
    with MPIPoolExecutor() as executor:
        print(kr.run_sweep(design, arguments[1], executor=executor, workers=executor.num_workers))


if __name__ == "__main__":
    main(sys.argv[1:])
