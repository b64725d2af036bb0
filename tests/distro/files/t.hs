import qualified Data.IntMap as M
main :: IO ()
main = do
  let m = M.fromList [(i * 7919 `mod` 50021, show i) | i <- [0 .. 100000 :: Int]]
  print (M.size m, M.foldrWithKey (\k v s -> s + k + length v) 0 m)
