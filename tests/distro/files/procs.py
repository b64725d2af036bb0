# Processes and threads in the ways that Python has.
import concurrent.futures as cf
import multiprocessing as mp
import subprocess
import threading


def work(n):
    return sum(i * i for i in range(n)) % 1000003


def main():
    with mp.get_context('fork').Pool(3) as pool:
        print(sum(pool.map(work, range(1000, 1200))))
    with cf.ThreadPoolExecutor(8) as ex:
        print(sum(ex.map(work, range(1000, 1200))))
    with mp.get_context('spawn').Pool(2) as pool:
        print(sum(pool.map(work, range(100, 140))))
    a = mp.Array('i', 100000)

    def fill(k):
        for i in range(k, 100000, 4):
            a[i] = i % 7
    children = [mp.get_context('fork').Process(target=fill, args=(k,))
                for k in range(4)]
    for c in children:
        c.start()
    for c in children:
        c.join()
    print(sum(a), [c.exitcode for c in children])
    out = [subprocess.run(['echo', str(i)], capture_output=True).stdout
           for i in range(30)]
    print(b''.join(out).split()[-1], threading.active_count())


if __name__ == '__main__':
    main()
