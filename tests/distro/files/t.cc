#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
int main()
{
	std::map<std::string, std::vector<int>> m;
	for (int i = 0; i < 100000; i++)
		m[std::to_string(i * 7919 % 5003)].push_back(i);
	long sum = 0;
	for (auto &[k, v] : m) {
		std::sort(v.rbegin(), v.rend());
		sum += v.front() * (long)k.size();
	}
	std::vector<std::thread> ts;
	std::vector<long> part(4);
	for (int t = 0; t < 4; t++)
		ts.emplace_back([&, t] {
			for (int i = t; i < 1000000; i += 4)
				part[t] += i % 13;
		});
	for (auto &t : ts)
		t.join();
	for (long p : part)
		sum += p;
	int caught = 0;
	for (int i = 0; i < 1000; i++)
		try {
			throw std::runtime_error(std::to_string(i));
		} catch (const std::exception &e) {
			caught += e.what()[0] == '7';
		}
	std::cout << sum << ' ' << caught << '\n';
}
